rule coin_miner_program
{
    meta:
        description = "mines cryptocurrency"
        severity = "high"
        confidence = "high"
        technique = "T1496.001"
        advice = "Look at the function's duration and cost since it was changed."
    strings:
        $pool1 = "stratum+tcp://"
        $pool2 = "stratum+ssl://"
        $word1 = "xmrig" nocase
        $word2 = "donate-level"
        $word3 = "cryptonight" nocase
        $word4 = "randomx" nocase
        $word5 = "nicehash"
    condition:
        (any of ($pool*) and any of ($word*)) or 3 of ($word*)
}

rule denonia
{
    meta:
        description = "is Denonia, a miner written for Lambda"
        severity = "critical"
        confidence = "medium"
        technique = "T1496.001"
        advice = "Look for how it came into the package, and at the queries over HTTPS that it asks names with."
        reference = "Cado Security, April 2022"
    strings:
        $name = "denonia" fullword
        $host = "gw.denonia.xyz"
    condition:
        uint32(0) == 0x464c457f and any of them
}
