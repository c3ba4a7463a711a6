const credentials = { secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY };

export const handler = async (event) => {
  const client = await connect(credentials);
  return { statusCode: 200, body: JSON.stringify(await client.query(event)) };
};
