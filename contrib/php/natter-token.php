<?php
/*
 * natter-token.php: makes the token by which natterd knows who is logged in at your site.
 *
 *     require "natter-token.php";
 *     $token = natter_token(["sub" => "4711", "name" => "Ann", "exp" => time() + 900],
 *                           "HS256", file_get_contents("/etc/natter/site.key"));
 *
 * Plain PHP 7.1 or later; RS256 needs its extension openssl. $claims are those of
 * natterd.conf(5), section SIGNED TOKENS: sub (a string) and exp have to be there. $key is
 * for HS256 the content of the key file that natterd reads as well, for RS256 the private
 * key as PEM. $kid names the key where natterd.conf has a kid.
 *
 * By hand:  php natter-token.php HS256 /etc/natter/site.key '{"sub":"4711"}' [KID]
 */

function natter_base64url(string $bytes): string
{
	return rtrim(strtr(base64_encode($bytes), "+/", "-_"), "=");
}

function natter_token(array $claims, string $algorithm, string $key, ?string $kid = null): string
{
	$header = ["typ" => "JWT", "alg" => $algorithm] + ($kid === null ? [] : ["kid" => $kid]);
	$flags = JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_THROW_ON_ERROR;
	$text = natter_base64url(json_encode($header, $flags)) . "." . natter_base64url(json_encode($claims, $flags));

	if ($algorithm === "HS256") {
		$key = preg_replace('/\r?\n\z/', "", $key); // the newline at the file's end is no part of it
		$signature = hash_hmac("sha256", $text, $key, true);
	} elseif ($algorithm !== "RS256") {
		throw new InvalidArgumentException("natter_token: the algorithm is HS256 or RS256");
	} elseif (!openssl_sign($text, $signature, $key, OPENSSL_ALGO_SHA256)) {
		throw new RuntimeException("natter_token: the key does not sign: " . openssl_error_string());
	}
	return $text . "." . natter_base64url($signature);
}

if (PHP_SAPI === "cli" && realpath($_SERVER["argv"][0] ?? "") === __FILE__) {
	if ($argc < 4) {
		fwrite(STDERR, "usage: php natter-token.php HS256|RS256 KEYFILE CLAIMS [KID]\n");
		exit(1);
	}
	$claims = json_decode($argv[3], true, 512, JSON_THROW_ON_ERROR) + ["exp" => time() + 900];
	echo natter_token($claims, $argv[1], file_get_contents($argv[2]), $argv[4] ?? null), "\n";
}
