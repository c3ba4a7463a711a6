TO = 'https://discord.com/api/webhooks/1'
