rule handler_runs_what_the_event_says
{
    meta:
        description = "runs as code or as a command what stands in the event that it is called with"
        severity = "high"
        confidence = "high"
        technique = "T1059"
        advice = "Look in the logs for calls with such events, and at who could call the function."
    strings:
        $python = /(^|[^\w.])(exec|eval)\s*\(\s*(str\()?event\s*(\[|\.get\()/
        $python_command = /(os\.(system|popen)|subprocess\.\w{2,14})\s*\(\s*\[?\s*event\s*(\[|\.get\()/
        $node = /(^|[^\w.$])(eval|Function|execSync|exec)\s*\(\s*event\.[a-z]/
        $node_body = /(^|[^\w.$])eval\s*\(\s*(Buffer\.from|atob)\s*\(\s*event\./
    condition:
        filesize < 5MB and any of them
}

rule web_shell
{
    meta:
        description = "runs as code or as a command what stands in a web request"
        severity = "high"
        confidence = "high"
        technique = "T1505.003"
        advice = "Look in the access logs for who called it, and with what."
    strings:
        $php = /(eval|assert|system|passthru|shell_exec)\s*\(\s*(base64_decode\s*\(\s*)?\$_(POST|GET|REQUEST|COOKIE)\b/
        $flask = /(exec|eval|os\.(system|popen)|subprocess\.\w{2,14})\s*\(\s*\[?\s*request\.(args|form|values|data|json|headers|cookies)\b/
        $express = /(eval|execSync|exec)\s*\(\s*req\.(query|body|params|headers)\b/
    condition:
        filesize < 5MB and any of them
}
