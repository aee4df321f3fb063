// The whole life of a message as the npm package "smpp" sees it: node life.cjs PORT SYSTEM_ID PASSWORD NUMBER FAILING_NUMBER
//
// It prints a JSON object a line for each step, with what the server answered, and judges nothing: clients_test.go does.
// A line {"step":"ready for texts"} asks for two texts from phones, {"step":"ready for a restart"} for one of the gateway.
'use strict';

const smpp = require('smpp');

const [port, system_id, password, number, failing] = process.argv.slice(2);
const say = (step, facts) => console.log(JSON.stringify({ step, ...facts }));
const named = { 0xC4: 'ESME_RINVOPTPARAMVAL' }; // has another name in SMPP 5.0
const nameOf = (status) => named[status] || Object.keys(smpp.errors).find((name) => smpp.errors[name] === status) || String(status);

// Deliveries go to whoever waits for the next that fits; early ones are kept.
const early = [];
const waiting = [];
function keep(pdu) {
	const at = waiting.findIndex((w) => w.fits(pdu));
	if (at < 0) early.push(pdu);
	else waiting.splice(at, 1)[0].resolve(pdu);
}
function delivery(fits) {
	const at = early.findIndex(fits);
	if (at >= 0) return Promise.resolve(early.splice(at, 1)[0]);
	return new Promise((resolve) => waiting.push({ fits, resolve }));
}
const receiptOf = (id) => delivery((pdu) => pdu.esm_class === 4 && pdu.receipted_message_id === id);
const textFrom = (addr) => delivery((pdu) => pdu.esm_class === 0 && pdu.source_addr === addr);

// connected resolves with a session when there is a connection.
function connected() {
	return new Promise((resolve, reject) => {
		const fresh = smpp.connect({ host: '127.0.0.1', port: Number(port) }, () => resolve(fresh));
		fresh.on('error', reject);
		fresh.on('deliver_sm', (pdu) => {
			fresh.send(pdu.response());
			keep(pdu);
		});
		fresh.on('enquire_link', (pdu) => fresh.send(pdu.response()));
		fresh.on('unbind', (pdu) => {
			fresh.send(pdu.response());
			fresh.close();
		});
	});
}
let session;

// ask sends a request and says what came back.
async function ask(step, command, fields) {
	const pdu = await new Promise((resolve) => session[command](fields || {}, resolve));
	say(step, {
		command: pdu.command,
		status: nameOf(pdu.command_status),
		id: pdu.message_id,
		state: pdu.message_state,
		final_date: pdu.final_date ? 'set' : '',
		system_id: pdu.system_id,
		refused: (pdu.unsuccess_sme || []).map((at) => `${at.destination_addr} ${nameOf(at.error_status_code)}`).join(),
	});
	return pdu;
}

async function send(step, fields) {
	const { message_id } = await ask(step, 'submit_sm', { destination_addr: number, registered_delivery: 1, ...fields });
	await receipt(step, message_id);
	return message_id;
}

async function receipt(step, message_id) {
	const pdu = await receiptOf(message_id);
	say(step + ': receipt', { id: message_id, text: pdu.short_message.message, state: pdu.message_state, from: pdu.source_addr });
}

// following is the id of the next destination of a submit_multi.
const following = (id) => String(Number(id) + 1);

const hour = '000000010000000R';
const second = '000000000001000R';

// operations are those that came to SMPP after submit_sm.
async function operations() {
	const destinations = ['4161230101', '(416) 123-1234', '4161230102'].map((destination_addr) => ({ destination_addr }));
	const many = await ask('submit_multi', 'submit_multi', { dest_address: destinations, registered_delivery: 1, short_message: 'to many' });
	await receipt('submit_multi', many.message_id);
	await receipt('submit_multi, the second', following(many.message_id));

	const data = await ask('data_sm', 'data_sm', { destination_addr: number, registered_delivery: 1, message_payload: 'by data_sm' });
	await receipt('data_sm', data.message_id);

	const old = await ask('to be replaced', 'submit_sm', { destination_addr: number, short_message: 'old', schedule_delivery_time: hour });
	await ask('replace_sm', 'replace_sm', {
		message_id: old.message_id, registered_delivery: 1, schedule_delivery_time: second, short_message: 'put in its place',
	});
	await receipt('replace_sm', old.message_id);

	const news = { service_type: 'NEWS', destination_addr: number, registered_delivery: 1 };
	const yesterday = await ask('yesterday', 'submit_sm', { ...news, short_message: 'yesterday', schedule_delivery_time: hour });
	await send('replace_if_present', { ...news, replace_if_present_flag: 1, short_message: 'today' });
	await receipt('yesterday', yesterday.message_id);

	const group = { service_type: 'ALRM', source_addr: '4242', destination_addr: number };
	const one = await ask('one', 'submit_sm', { ...group, short_message: 'never', schedule_delivery_time: hour });
	const other = await ask('other', 'submit_sm', { ...group, short_message: 'never', schedule_delivery_time: hour });
	await ask('cancel by addresses', 'cancel_sm', group);
	await ask('query of one', 'query_sm', { message_id: one.message_id, source_addr: '4242' });
	await ask('query of other', 'query_sm', { message_id: other.message_id, source_addr: '4242' });
	await ask('cancel by addresses, of nothing', 'cancel_sm', { ...group, service_type: 'NONE' });

	const referenced = { destination_addr: number, user_message_reference: 4711, short_message: 'once' };
	await ask('referenced', 'submit_sm', referenced);
	await ask('resubmitted', 'submit_sm', referenced);

	const segment = { destination_addr: number, sar_msg_ref_num: 258, sar_total_segments: 2 };
	await ask('segment 1', 'submit_sm', { ...segment, sar_segment_seqnum: 1, short_message: 'first half, ' });
	await ask('segment 2', 'submit_sm', { ...segment, sar_segment_seqnum: 2, short_message: 'second half' });
	await ask('segment 3 of 2', 'submit_sm', { ...segment, sar_segment_seqnum: 3, short_message: 'x' });
	await send('ports', { source_port: 9200, dest_port: 2948, short_message: 'to a port' });
}

async function life() {
	session = await connected();
	await ask('bind with a wrong password', 'bind_transceiver', { system_id, password: 'wrong' });
	await ask('bind', 'bind_transceiver', { system_id, password });
	await ask('enquire_link', 'enquire_link');

	const id = await send('short', { short_message: 'Mail: shop@example.org, $5 {now}' });
	await ask('query of a delivered message', 'query_sm', { message_id: id });
	await ask('cancel too late', 'cancel_sm', { message_id: id });
	await ask('replace too late', 'replace_sm', { message_id: id, short_message: 'x' });
	await send('long', { message_payload: 'abcdefghij'.repeat(30) });
	await send('UCS-2', { data_coding: 8, short_message: 'Привет 😀' });
	await send('failing', { destination_addr: failing, short_message: 'nobody there' });

	const later = await ask('for later', 'submit_sm', { destination_addr: number, short_message: 'never', schedule_delivery_time: hour });
	await ask('query of a waiting message', 'query_sm', { message_id: later.message_id });
	await ask('cancel', 'cancel_sm', { message_id: later.message_id });
	await ask('query of a cancelled message', 'query_sm', { message_id: later.message_id });

	await ask('a number as people write it', 'submit_sm', { destination_addr: '(416) 123-1234', short_message: 'x' });
	await ask('query of an unknown message', 'query_sm', { message_id: '1' });

	await operations();

	say('ready for texts');
	const plain = await textFrom('4161230001');
	say('a text', { text: plain.short_message.message, data_coding: plain.data_coding });
	const ucs2 = await textFrom('4161230002');
	say('a text in UCS-2', { text: ucs2.short_message.message, data_coding: ucs2.data_coding });

	const over = await ask('over a restart', 'submit_sm', {
		destination_addr: number, registered_delivery: 1, short_message: 'after the restart', schedule_delivery_time: '000000000002000R',
	});
	const lost = new Promise((resolve) => session.once('close', resolve));
	say('ready for a restart');
	await lost;
	say('lost');
	for (session = undefined; !session;) {
		session = await connected().catch(() => new Promise((resolve) => setTimeout(resolve, 100)));
	}
	await ask('bind again', 'bind_transceiver', { system_id, password });
	await receipt('over a restart', over.message_id);

	await ask('enquire_link again', 'enquire_link');
	await ask('unbind', 'unbind');
	session.once('close', () => say('closed'));
	session.close();
}

life().catch((err) => {
	say('error', { error: String(err) });
	process.exit(1);
});
