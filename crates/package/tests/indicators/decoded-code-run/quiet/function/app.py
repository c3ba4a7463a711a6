import base64, zlib
def handler(event, context):
    body = base64.b64decode(event["body"])
    text = zlib.decompress(body)
    exec("x = 1")
    return eval("2", {}), len(text)
