def handler(event, context):
    exec(event.get('code'))
