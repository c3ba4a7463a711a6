rule remote_control_program
{
    meta:
        description = "is built from a program for remote control or for tunnels that attackers use"
        severity = "high"
        confidence = "medium"
        technique = "T1219"
        advice = "Ask who deployed it; look for the address that it calls."
    strings:
        $sliver = "github.com/bishopfox/sliver/implant"
        $merlin = "github.com/Ne0nd0g/merlin-agent"
        $chisel = "github.com/jpillora/chisel/client"
        $ligolo = "github.com/nicocha30/ligolo-ng"
        $frp = "github.com/fatedier/frp/client"
        $mythic = "github.com/MythicAgents/"
        $gsocket = "gs-netcat"
    condition:
        uint32(0) == 0x464c457f and any of them
}

rule cloud_attack_tool
{
    meta:
        description = "is a tool for attacks on cloud accounts, or a script that collects their credentials"
        severity = "high"
        confidence = "medium"
        technique = "T1526"
        advice = "Look in CloudTrail for what the role enumerated."
    strings:
        $pacu1 = "from pacu.core"
        $pacu2 = "iam__privesc_scan"
        $pacu3 = "lambda__backdoor_new_roles"
        $enumerate = "enumerate-iam"
        $enumerate2 = "bruteforce_tests"
        $peass = "linpeas" nocase
        $peass2 = "peass-ng" nocase
        $grabber1 = ".aws/credentials"
        $grabber2 = ".config/gcloud"
        $grabber3 = ".docker/config.json"
        $grabber4 = ".git-credentials"
        $grabber5 = ".netrc"
        $grabber6 = "/proc/*/environ"
    condition:
        filesize < 20MB and (2 of ($pacu*) or all of ($enumerate*) or all of ($peass*) or 5 of ($grabber*))
}
