rule reverse_shell_in_a_program
{
    meta:
        description = "holds the command line of a shell that is handed to somebody outside"
        severity = "high"
        confidence = "medium"
        technique = "T1059.004"
        advice = "Look in the VPC's flow logs for the connection that it opens."
    strings:
        $bash = /(ba|z)?sh -i\s{0,3}(>&|<>|[0-9]?>)\s{0,3}\/dev\/(tcp|udp)\//
        $netcat = /\bnc(at)? [^\n\x00]{0,60}-e \/bin\/(ba)?sh/
        $socat = "socat exec:'bash -li',pty,stderr,setsid,sigint,sane tcp:"
        $fifo = /mkfifo [^\n\x00]{1,60};\s?cat [^\n\x00]{1,60}\|\s?(\/bin\/)?(ba)?sh -i/
    condition:
        // What people write about it is judged by people.
        (uint32(0) == 0x464c457f or uint16(2) == 0x0a0d or uint16(0) == 0x2123) and any of them
}

rule meterpreter_stage
{
    meta:
        description = "loads a stage of Meterpreter"
        severity = "critical"
        confidence = "high"
        technique = "T1105"
        advice = "Take the function out of service and look for the address that it calls."
    strings:
        $python = "exec(__import__('zlib').decompress(__import__('base64').b64decode(__import__('codecs').getencoder('utf-8')("
        $java = "com/metasploit/meterpreter/Meterpreter"
        $extension = "ext_server_stdapi"
        $transport = "tlv_pivot_session_id"
    condition:
        $python or $java or ($extension and $transport)
}
