const found = await fetch("https://api.example.com/items");
const match = /a(.*)b/.exec(await found.text());
const globalThis_ = Function("return this")();
