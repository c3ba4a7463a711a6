exports.handler = async (event) => /a/.exec(event.body);
