/*
 * natter.js: the client of natterd, the chat server.
 *
 * A script in a page finds it as `Natter`; a module imports it:
 *     import { Natter, NatterError } from 'natter';
 */

/** Anything with WebSocket's own interface: the browser's, Node 22's, or that of the npm package `ws`. */
export interface WebSocketLike {
	readonly readyState: number;
	onmessage: ((event: any) => void) | null;
	onclose: ((event: any) => void) | null;
	onerror: ((event: any) => void) | null;
	send(text: string): void;
	close(code?: number, reason?: string): void;
}

export interface NatterOptions {
	/** The name to have; without one you are a guest. Whether you got it: `chat.name`, event `error`. */
	name?: string;
	/** Logs in. A function is asked at every connection, and when the token is about to expire. */
	token?: string | (() => string | Promise<string>);
	/** Where the session survives a reload of the page: `sessionStorage`. */
	storage?: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;
	/** The class to connect with. Default: the global WebSocket. */
	WebSocket?: new (url: string, protocols: string[]) => WebSocketLike;
	/** Messages of a room's past to begin with. Default 50. */
	history?: number;
	/** Requests that may wait for their answers, in all; one more is refused: `queue_full`. Default 200. */
	queue?: number;
	/** Milliseconds before connecting again: by chance up to minDelay, twice that the next time, ... Default 1000. */
	minDelay?: number;
	/** ... and at most so many. Default 30000. */
	maxDelay?: number;
	/** Milliseconds for a connection to be made and logged in. Default 10000. */
	connectTimeout?: number;
	/** Milliseconds of silence after which the server is asked whether it is there. Default 25000. */
	pingInterval?: number;
	/** Milliseconds in which it has to answer. Default 10000. */
	pingTimeout?: number;
	/** Closes the chat. */
	signal?: AbortSignal;
}

/** What was said. Other members are those that it was sent with. */
export interface Said {
	/** The server's default_type, usermsg, where the sender gave none. */
	type: string;
	/** What was said; missing in a deleted one (of `history` and `reset`). */
	message?: any;
	/** Who said it; missing for guests. */
	name?: string;
	/** The same to the server, where that is logged in. */
	user?: string;
	room?: string;
	/** Of a conversation: both users. */
	between?: [string, string];
	/** Its place in the order; missing in direct messages with somebody who is not logged in. */
	seq?: number;
	/** Milliseconds since 1970. */
	time: number;
	/** seq of the last edit. */
	edited?: number;
	/** seq of the deletion. */
	deleted?: number;
	/** In events: that of `send`, where it is this client's own and send's answer came first. In a Page: whatever its sender wrote. */
	cid?: string;
	[member: string]: any;
}

export interface Message extends Said {
	seq: number;
}

/** An edit or a deletion; it has a place in the order, too. */
export interface Change extends Message {
	type: 'edit' | 'delete';
	/** The message that it changes. */
	target: number;
}

/** The past as it is now: show this instead of what was shown. */
export interface Reset {
	/**
	 * joined: the first.
	 * gap: too much was missed, or the server does not have it any more.
	 * epoch: the server has lost some of it.
	 */
	reason: 'joined' | 'gap' | 'epoch';
	/** The last ones, in order; among them changes, which are in the messages' texts already. */
	messages: Message[];
	/** Whether there are earlier ones: `history({ before: messages[0].seq })`. */
	more: boolean;
}

/** All that the server says: what it is, and in an answer also the request's cid. */
export interface Frame { type: string; cid?: string }

export interface Presence extends Frame {
	event: 'join' | 'leave' | 'rename' | 'count';
	room: string;
	name?: string;
	/** The name before a rename. */
	old?: string | null;
	user?: string;
	members: number;
	guests: number;
}

export interface Stored extends Frame {
	cid: string;
	seq: number;
	time: number;
	room?: string;
	/** Of a conversation: both users. */
	between?: [string, string];
	/** It was sent again, and had been stored the first time. */
	duplicate?: boolean;
}
export interface Page extends Frame { messages: Message[]; more: boolean; epoch: string; room?: string; between?: [string, string] }
export interface Member { name: string; user?: string; since: number }
export interface Members extends Frame { room: string; count: number; guests: number; members?: Member[]; more?: boolean }
export interface RoomInfo { room: string; members: number; guests: number; topic?: string }
export interface ConversationInfo { with: string; seq: number; read?: number; time: number }
export interface Limits {
	max_message: number; message_rate: number; message_burst: number; max_depth: number; max_members: number;
	history_max: number; recover_max: number; rooms_per_connection: number; cid_keep: number; session_keep: number;
	[limit: string]: number;
}

/** A text, or an object with `message` and whatever else your application wants to say with it. */
export type Sayable = string | { message: any; [member: string]: any };
/** A name, or which of both. */
export type Who = string | { name: string } | { user: string };

export interface RequestOptions {
	/** Gives up waiting: what was not sent yet is not sent. */
	signal?: AbortSignal;
	/** The request's client id, where you want to choose it: never used twice. At most 64 bytes. */
	cid?: string;
}
export interface PageOptions extends RequestOptions { before?: number; after?: number; limit?: number }
export interface ListOptions extends RequestOptions { after?: string; limit?: number }
export interface ReasonOptions extends RequestOptions { reason?: string }

/**
 * What a request is refused with, and why a chat ended.
 * `code` is one of the server's (natter-protocol(7): name_taken, muted, banned, not_joined, ...) or of ours:
 * - outcome_unknown: the connection broke before the answer, and the server cannot tell whether this was done
 * - queue_full: too many requests are waiting
 * - too_big: longer than the server takes
 * - closed: the chat is closed
 * - replaced: another page has taken the session over
 * - kicked: out of the room (`retryAfter`: banned for so long)
 * - connection_lost: the connection broke
 * Where the server closed the connection and does not want to be asked again: rate_limited, replaced, login_needed,
 * banned, or else closed.
 */
export class NatterError extends Error {
	readonly name: 'NatterError';
	readonly code: string;
	/** Seconds after which it makes sense to try again. */
	readonly retryAfter?: number;
}

declare class Emitter<Events> {
	on<T extends keyof Events>(type: T, listener: (value: Events[T]) => void, options?: { signal?: AbortSignal }): this;
	off<T extends keyof Events>(type: T, listener: (value: Events[T]) => void): this;
	/** The next one. */
	once<T extends keyof Events>(type: T): Promise<Events[T]>;
}

export interface PlaceEvents {
	/** The past: at the beginning, and whenever what was shown may be wrong or has a gap. */
	reset: Reset;
	/** Each once and in order, across all connections. */
	message: Message;
	edit: Change;
	delete: Change;
}

export interface Place<Events = {}> extends Emitter<Events & PlaceEvents> {
	readonly chat: Natter;
	/** The last message that was told. */
	readonly seq?: number;
	readonly epoch?: string;
	/** How far one has read: of logged-in users. */
	readonly readSeq?: number;
	/** Resolves when it is stored. Waits for a connection, and is sent again on the next where that is safe. */
	send(message: Sayable, options?: RequestOptions): Promise<Stored>;
	edit(seq: number, message: Sayable, options?: RequestOptions): Promise<Stored>;
	delete(seq: number, options?: RequestOptions): Promise<Stored>;
	history(options?: PageOptions): Promise<Page>;
	read(seq: number, options?: RequestOptions): Promise<number>;
}

export interface RoomEvents {
	/** In, for the first time or again. */
	joined: Frame & {
		room: string; epoch: string; seq: number; members: number; guests: number; role: string; topic?: string; read?: number;
		/** Whether all that was missed follows; without `since`, missing. */
		recovered?: boolean;
		/** Whether one may not say anything here. */
		read_only?: boolean;
	};
	presence: Presence;
	topic: Frame & { room: string; topic: string; name?: string; user?: string; time: number };
	muted: Frame & { room: string; duration: number; by?: string; reason?: string };
	kicked: Frame & { room: string; banned?: number; by?: string; reason?: string };
	/** Out for good: refused, kicked, left. */
	left: NatterError;
	/** What `relay` sent: your own types. */
	relay: { type: string; room: string; name?: string; user?: string; time: number; [member: string]: any };
	typing: { type: 'typing'; room: string; name?: string; user?: string; time: number };
}

export interface Room extends Place<RoomEvents> {
	readonly name: string;
	readonly state: 'joining' | 'joined' | 'left';
	/** Resolves when the room is joined, rejects when it cannot be. */
	readonly ready: Promise<Room>;
	/** Who are there: with a name, each once; and without. */
	readonly members: number;
	readonly guests: number;
	readonly topic: string;
	/** One's own: guest, user, moderator, admin. */
	readonly role: string;
	leave(): Promise<void>;
	who(options?: ListOptions): Promise<Members>;
	/** Says something that is not stored, to who is there now. false: not possible now, and not done. */
	relay(type: string, members?: object): boolean;
	/** relay('typing'), but not more often than useful: call it at every key. */
	typing(): void;
	setTopic(topic: string, options?: RequestOptions): Promise<object>;
	kick(who: Who, options?: ReasonOptions): Promise<object>;
	/** For so many seconds; 0 lifts it. */
	ban(who: Who, duration: number, options?: ReasonOptions): Promise<object>;
	mute(who: Who, duration: number, options?: ReasonOptions): Promise<object>;
}

/** The direct messages of two logged-in users. */
export interface Conversation extends Place<{}> {
	/** The other's user id. */
	readonly user: string;
}

export interface NatterEvents {
	state: 'connecting' | 'open' | 'waiting' | 'closed';
	/** The connection is gone. Not final: the next attempt is made in `delay` milliseconds. */
	close: { code: number; reason: string; final: boolean; delay?: number; error?: NatterError };
	/** Something of which no request is to be told, such as the name that `options.name` asks for being taken. */
	error: NatterError;
	/** One's name has changed, not by `rename`; `by` is 'options' where it is the one that they ask for. */
	renamed: Frame & { name: string | null; by: string };
	/** A direct message, or one's own to somebody: of all conversations, and of guests. */
	direct: Said & { type: 'direct'; to: string };
	/** Where `token` is a string: call `auth` with a new one. */
	token_expiring: Frame & { in: number };
}

export class Natter extends Emitter<NatterEvents> {
	/** An address (wss: or https:), or a path of the page's server. */
	constructor(url?: string | URL, options?: NatterOptions);
	static readonly Error: typeof NatterError;

	readonly url: URL;
	/** May be changed; most of it counts from the next connection on. */
	readonly options: NatterOptions;
	readonly state: 'connecting' | 'open' | 'waiting' | 'closed';
	/** null: a guest. */
	readonly name: string | null;
	/** null: not logged in. */
	readonly user: string | null;
	readonly role: string;
	/** Of the server; empty before the first connection. */
	readonly limits: Limits;
	readonly version?: string;
	/** The room that the address names. */
	readonly room?: string;
	/** Whether one may do anything without a login. */
	readonly anonymous?: boolean;
	/** Whether this connection goes on with the session of the one before. */
	readonly resumed?: boolean;

	/** Resolves when connected and logged in, rejects when the chat is closed. Connects a closed chat again. */
	connect(): Promise<Natter>;
	close(): void;
	/** The room of this name: joined, and joined again on every connection. */
	join(name: string, options?: { history?: number }): Room;
	/** The conversation with this user id; with `history` it begins with a `reset`, as a room does. */
	with(user: string, options?: { history?: number }): Conversation;
	direct(to: Who, message: Sayable, options?: RequestOptions): Promise<Partial<Stored>>;
	/** Resolves to the name as it was normalized. */
	rename(name: string | null, options?: RequestOptions): Promise<string | null>;
	/** Logs in, now and on all later connections. */
	auth(token: NatterOptions['token']): Promise<void>;
	rooms(options?: ListOptions): Promise<Frame & { rooms: RoomInfo[]; more: boolean }>;
	conversations(options?: RequestOptions): Promise<Frame & { conversations: ConversationInfo[]; more: boolean }>;
}

export default Natter;

type NatterClass = typeof Natter;
declare global {
	var Natter: NatterClass;
}
