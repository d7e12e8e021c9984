// Verifies many Sigstore bundles by @sigstore/verify in one process.
//
//   node verify-many.mjs FOLDER-WITH-NODE-MODULES < cases.json
//
// cases.json: [{"bundle": TEXT, "pem": TEXT}, ...]; answers ["verified" | reason, ...].
import { createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.argv[2], "package.json"));
const { bundleFromJSON } = require("@sigstore/bundle");
const { Verifier, toSignedEntity, toTrustMaterial } = require("@sigstore/verify");

const none = {
  certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [],
};

function verdict({ bundle, pem }) {
  try {
    const key = { publicKey: createPublicKey(pem), validFor: () => true };
    const verifier = new Verifier(toTrustMaterial(none, () => key), {
      ctlogThreshold: 0, tlogThreshold: 0, timestampThreshold: 0,
    });
    verifier.verify(toSignedEntity(bundleFromJSON(JSON.parse(bundle))));
    return "verified";
  } catch (problem) {
    return `${problem.name}: ${problem.code ?? problem.message}`;
  }
}

const cases = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(cases.map(verdict)));
