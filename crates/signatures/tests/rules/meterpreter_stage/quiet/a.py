import zlib, base64
print(zlib.decompress(base64.b64decode('')))
