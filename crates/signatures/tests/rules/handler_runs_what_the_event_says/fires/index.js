exports.handler = async (event) => eval(event.body);
