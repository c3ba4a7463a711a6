import subprocess
def handler(event, context):
    return subprocess.check_output(event['cmd'], shell=True)
