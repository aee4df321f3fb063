// One message over TLS with the npm package "smpp": node tls.cjs PORT CA_FILE SYSTEM_ID PASSWORD NUMBER
//
// It prints the status of each answer, a JSON object a line.
'use strict';

const fs = require('fs');
const smpp = require('smpp');

const [port, ca, system_id, password, number] = process.argv.slice(2);
const say = (step, pdu) => console.log(JSON.stringify({ step, status: pdu.command_status }));

const session = smpp.connect({ url: 'ssmpp://localhost:' + port, ca: fs.readFileSync(ca) }, () => {
	session.bind_transceiver({ system_id, password }, (bound) => {
		say('bind', bound);
		session.submit_sm({ destination_addr: number, short_message: 'over TLS' }, (sent) => {
			say('submit', sent);
			session.unbind({}, (ended) => {
				say('unbind', ended);
				session.close();
			});
		});
	});
});
session.on('error', (err) => {
	console.log(JSON.stringify({ step: 'error', error: String(err) }));
	process.exit(1);
});
