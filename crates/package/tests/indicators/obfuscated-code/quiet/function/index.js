const hex = _0x1234; module.exports = function(a) { return String.fromCharCode(a, 10); };
