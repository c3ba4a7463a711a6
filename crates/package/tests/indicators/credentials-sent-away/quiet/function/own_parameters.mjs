const port = 2773;
export const secret = async (id) => (await fetch(`http://localhost:${port}/secretsmanager/get?secretId=${id}`, {
  headers: { "X-Aws-Parameters-Secrets-Token": process.env.AWS_SESSION_TOKEN },
})).json();
