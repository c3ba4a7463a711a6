import json, re, requests, subprocess
pattern = re.compile("a+")
def handler(event, context):
    r = requests.get("https://api.example.com/items")
    items = json.loads(r.text)
    subprocess.run(["tar", "-xf", items["name"]], check=True)
    # exec(r.text) would be a mistake
    return eval("1 + 1")
