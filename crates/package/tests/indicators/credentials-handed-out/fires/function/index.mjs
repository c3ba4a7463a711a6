export const handler = async (event) => {
  const keys = [process.env.AWS_SECRET_ACCESS_KEY, process.env.AWS_SESSION_TOKEN];
  return { statusCode: 200, body: JSON.stringify(keys) };
};
