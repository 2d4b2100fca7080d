// uws.mjs PORT [CERTIFICATE KEY]: natterd's chat on uWebSockets.js (npm `uwebsockets`), as its makers would write it.
//
// A path is a room is a topic. Each message is parsed, gets natterd's fields, and is published: uWebSockets
// frames it once, and sends each member what a turn of the loop brought all at once. The payload's limit and
// that of what waits for a slow reader are natterd's. No history, names or limits of rate.
import uWS from "uwebsockets";

const decoder = new TextDecoder("utf-8", { fatal: true });
let seq = 0;

const [port, cert_file_name, key_file_name] = process.argv.slice(2);
const app = (key_file_name ? uWS.SSLApp({ cert_file_name, key_file_name }) : uWS.App()).ws("/*", {
	compression: uWS.DISABLED,
	maxPayloadLength: 64 * 1024,
	maxBackpressure: 1024 * 1024,
	closeOnBackpressureLimit: true,
	upgrade(res, req, context) {
		res.upgrade({ room: req.getUrl() }, req.getHeader("sec-websocket-key"), req.getHeader("sec-websocket-protocol"),
			req.getHeader("sec-websocket-extensions"), context);
	},
	open(ws) {
		ws.subscribe(ws.room);
	},
	message(ws, data) {
		const message = JSON.parse(decoder.decode(data));
		message.type ??= "usermsg";
		message.seq = ++seq;
		message.time = Date.now();
		app.publish(ws.room, JSON.stringify(message)); // the sender is sent it, too; ws.publish() would leave it out
	},
});

app.listen("127.0.0.1", Number(port), (socket) => {
	if (!socket)
		process.exit(1);
});
