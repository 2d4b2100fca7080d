/* Must pass tsc --strict: natter.js as a page written in TypeScript uses it. Each line below @ts-expect-error must not. */
import Default, { Natter, NatterError, type Message, type Room } from 'natter';

const chat = new Natter('wss://chat.example.com', {
	name: 'ann', token: async () => 'secret', storage: sessionStorage, WebSocket, signal: AbortSignal.timeout(1000), queue: 10,
});
const same: typeof Default = globalThis.Natter;
const room: Room = chat.join('lobby', { history: 20 });
const shown = new Map<number, Message>();

room.on('reset', ({ reason, messages, more }) => {
	const why: 'joined' | 'gap' | 'epoch' = reason;
	const first: boolean = more;
	messages.forEach((m) => shown.set(m.seq, m));
	console.log(why, first);
}).on('message', (m) => shown.set(m.seq, m), { signal: AbortSignal.timeout(5) });
room.on('edit', (m) => shown.get(m.target));
room.on('presence', ({ event, members }) => console.log(event === 'join', members + 1));
room.on('left', (error) => error.retryAfter?.toFixed());
chat.on('state', (state) => state === 'waiting');
chat.on('close', ({ final, delay, error }) => final ? error!.code : delay! / 1000);
chat.on('direct', (m) => m.between?.[0]);

export async function use(): Promise<void> {
	const { seq, time } = await room.send({ message: 'hi', color: '#fff' }, { signal: AbortSignal.timeout(5), cid: 'mine' });
	await room.edit(seq, 'ho');
	const page = await room.history({ before: seq, limit: 5 });
	const read: number = await room.read(page.messages[0].seq + time);
	await room.ban({ user: 'bob' }, read, { reason: 'enough' });
	await chat.direct('bob', 'psst');
	const talk = chat.with('bob', { history: 5 });
	talk.on('message', (m) => m.message);
	const name: string | null = await chat.rename(null);
	const sent: boolean = room.relay('wave', { at: name });
	console.log((await chat.once('renamed')).by, sent, same, chat.limits.max_message);
	try {
		await (await chat.connect()).auth('token');
	} catch (error) {
		if (error instanceof NatterError)
			console.log(error.code.length);
	}
}

// @ts-expect-error
room.on('mesage', () => {});
// @ts-expect-error
room.send(1);
// @ts-expect-error
new Natter('/', { minDelay: 'soon' });
// @ts-expect-error
chat.state = 'open';
