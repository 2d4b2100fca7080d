/*
 * natter-token.mjs: makes the token by which natterd knows who is logged in at your site.
 *
 *     import { natterToken } from "./natter-token.mjs";
 *     const token = natterToken({ sub: "4711", name: "Ann", exp: Math.floor(Date.now() / 1000) + 900 },
 *                               "HS256", readFileSync("/etc/natter/site.key"));
 *
 * Nothing but node's own modules. claims are those of natterd.conf(5), section SIGNED TOKENS: sub (a string)
 * and exp have to be there. key is for HS256 the content of the key file that natterd reads as well, for
 * RS256 and ES256 the private key as PEM. kid names the key where natterd.conf has a kid.
 *
 * By hand:  node natter-token.mjs HS256 /etc/natter/site.key '{"sub":"4711"}' [KID]
 */
import { createHmac, sign } from "node:crypto";
import { readFileSync, realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";

const base64url = (bytes) => Buffer.from(bytes).toString("base64url");

function signature(text, algorithm, key) {
	switch (algorithm) {
	case "HS256":
		// The newline at the file's end is no part of the secret.
		return createHmac("sha256", Buffer.from(Buffer.from(key).toString("latin1").replace(/\r?\n$/, ""), "latin1"))
			.update(text).digest();
	case "RS256":
		return sign("sha256", Buffer.from(text), key);
	case "ES256":
		return sign("sha256", Buffer.from(text), { key, dsaEncoding: "ieee-p1363" });
	default:
		throw new TypeError("natterToken: the algorithm is HS256, RS256 or ES256");
	}
}

export function natterToken(claims, algorithm, key, kid) {
	const header = { typ: "JWT", alg: algorithm, ...(kid === undefined ? {} : { kid }) };
	const text = `${base64url(JSON.stringify(header))}.${base64url(JSON.stringify(claims))}`;

	return `${text}.${base64url(signature(text, algorithm, key))}`;
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
	const [algorithm, file, claims, kid] = process.argv.slice(2);

	if (claims === undefined) {
		console.error("usage: node natter-token.mjs HS256|RS256|ES256 KEYFILE CLAIMS [KID]");
		process.exit(1);
	}
	console.log(natterToken({ exp: Math.floor(Date.now() / 1000) + 900, ...JSON.parse(claims) }, algorithm,
				readFileSync(file), kid));
}
