rule lambda_credentials_to_a_drop
{
    meta:
        description = "names the credentials of a function and a place where stolen things are dropped"
        severity = "high"
        confidence = "medium"
        technique = "T1567.004"
        advice = "Treat the role's credentials as stolen; look for the place in the function's network logs."
    strings:
        $token = "AWS_SESSION_TOKEN"
        $secret = "AWS_SECRET_ACCESS_KEY"
        $environ = "/proc/self/environ"
        $drop1 = "https://webhook.site/"
        $drop2 = "https://discord.com/api/webhooks/"
        $drop3 = "https://api.telegram.org/bot"
        $drop4 = ".burpcollaborator.net"
        $drop5 = ".oastify.com"
        $drop6 = /https?:\/\/[a-z0-9-]{3,40}\.(m\.pipedream\.net|ngrok-free\.app|ngrok\.io|requestcatcher\.com|oast\.(fun|live|me|pro|site))/
        $drop7 = "https://hooks.zapier.com/hooks/catch/"
    condition:
        filesize < 20MB and any of ($token, $secret, $environ) and any of ($drop*)
}

rule lambda_credentials_in_bytecode
{
    meta:
        description = "is compiled Python that reads the environment of its process from /proc and opens connections"
        severity = "high"
        confidence = "medium"
        technique = "T1552.001"
        advice = "Disassemble it without running it; ask why its source is not in the package."
    strings:
        $environ = "/proc/self/environ"
        $send1 = "urlopen"
        $send2 = "create_connection"
        $send3 = "HTTPSConnection"
        $send4 = "requests"
    condition:
        filesize < 5MB and uint16(2) == 0x0a0d and $environ and any of ($send*)
}
