import subprocess
def handler(event, context):
    return subprocess.run(['date'], check=True), event['cmd']
