// ws.mjs PORT [CERTIFICATE KEY]: natterd's chat on node's `ws`, as an expert would write it.
//
// A path is a room. Each message is parsed, gets natterd's fields, and is framed once (ws.send() would frame
// it for each member). Frames that came in one turn of the loop wait for its end and leave as one write for each
// member. The payload's limit and that of what waits for a slow reader are natterd's. No history, names
// or limits of rate.
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { Sender, WebSocketServer } from "ws";

const MAX_QUEUE = 1024 * 1024;
const rooms = new Map();
let seq = 0;

class Room {
	members = new Set();
	frames = [];

	publish(text) {
		if (this.frames.length === 0)
			setImmediate(() => this.flush());
		this.frames.push(...Sender.frame(Buffer.from(text), { fin: true, opcode: 1, mask: false, readOnly: false }));
	}

	flush() {
		if (this.frames.length === 0)
			return;
		const batch = Buffer.concat(this.frames);
		this.frames = [];
		for (const socket of this.members) {
			socket.write(batch);
			if (socket.writableLength > MAX_QUEUE)
				socket.destroy();
		}
	}
}

function enter(path) {
	let room = rooms.get(path);
	if (!room)
		rooms.set(path, room = new Room());
	room.flush(); // what was said before is not for who comes now
	return room;
}

const [port, cert, key] = process.argv.slice(2);
const https = key && createServer({ cert: readFileSync(cert), key: readFileSync(key) });
const place = { host: "127.0.0.1", port: Number(port), backlog: 1024 };
const server = new WebSocketServer({
	...(https ? { server: https } : place),
	clientTracking: false,
	maxPayload: 64 * 1024,
	perMessageDeflate: false,
});

server.on("connection", (ws, request) => {
	const path = request.url;
	const socket = request.socket;
	const room = enter(path);

	room.members.add(socket);
	ws.on("message", (data) => {
		const message = JSON.parse(data);
		message.type ??= "usermsg";
		message.seq = ++seq;
		message.time = Date.now();
		room.publish(JSON.stringify(message));
	});
	ws.on("close", () => {
		room.members.delete(socket);
		if (room.members.size === 0)
			rooms.delete(path);
	});
	ws.on("error", () => {});
});
https?.listen(place);
