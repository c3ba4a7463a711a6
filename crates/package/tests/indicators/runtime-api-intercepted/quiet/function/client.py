import os
ADDRESS = os.environ['AWS_LAMBDA_RUNTIME_API']
NEXT = f'http://{ADDRESS}/2018-06-01/runtime/invocation/next'
