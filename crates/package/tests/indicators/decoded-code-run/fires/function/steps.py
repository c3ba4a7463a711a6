import zlib, marshal
data = zlib.decompress(open("a.dat", "rb").read())
code = marshal.loads(data)
exec(code)
