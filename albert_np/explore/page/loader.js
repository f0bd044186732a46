// Unpacks the page's code, which travels as text (base64 of raw deflate), and starts it.
(async () => {
  const packed = Uint8Array.from(atob(document.getElementById("explore-code").textContent), (character) => character.charCodeAt(0));
  const code = document.createElement("script");
  code.type = "module";
  code.textContent = await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"))).text();
  document.body.append(code);
})();
