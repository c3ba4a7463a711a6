const https = require('https');
const { SignatureV4 } = require('@aws-sdk/signature-v4');
const signer = new SignatureV4({credentials: {accessKeyId: process.env.AWS_ACCESS_KEY_ID, secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY, sessionToken: process.env.AWS_SESSION_TOKEN}});
exports.handler = async (event) => {
  const signed = await signer.sign({hostname: 'graphql.mycompany.com', path: '/graphql', method: 'POST', body: event.body});
  return fetch('https://graphql.mycompany.com/graphql', signed);
};
