// The limit of starting: the runtime and a server that says hello. Usage: hello.ts PORT

const [port = '0'] = process.argv.slice(2);
const server = Bun.serve({ hostname: '127.0.0.1', port: Number(port), fetch: () => new Response('hello') });
console.log(JSON.stringify({ url: server.url.origin }));
