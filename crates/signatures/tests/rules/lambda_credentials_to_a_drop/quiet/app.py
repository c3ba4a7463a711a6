import os
TOKEN = os.environ['AWS_SESSION_TOKEN']
TO = 'https://example.com/'
