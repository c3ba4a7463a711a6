def handler(event, context):
    return open("/proc/self/environ").read()
