#!/usr/bin/perl
# The whole life of a message as Net::SMPP sees it: perl life.pl PORT SYSTEM_ID PASSWORD NUMBER FAILING_NUMBER
#
# It prints the steps of node/life.cjs, a JSON object a line, and judges nothing: clients_test.go does.
use strict;
use warnings;

use Encode qw(decode encode);
use JSON::PP;
use Net::SMPP;
use Time::HiRes qw(sleep);

my ($port, $system_id, $password, $number, $failing) = @ARGV;
my $json = JSON::PP->new->utf8->canonical;
my ($smpp, @early);

$| = 1;
binmode STDOUT, ':raw';
sub say_step { my ($step, %facts) = @_; print $json->encode({ step => $step, %facts }), "\n"; }

sub status_of {
	my $code = shift;
	my $known = Net::SMPP::status_code->{$code};
	return $known ? $known->{code} : sprintf('0x%08X', $code);
}

# take reads the next PDU: undef at the end of the connection. Requests of the server are answered; deliveries are kept.
sub take {
	my $pdu = do { local $SIG{__WARN__} = sub { }; $smpp->read_pdu } or return undef;
	if ($pdu->{cmd} == Net::SMPP::CMD_deliver_sm) {
		$smpp->deliver_sm_resp(seq => $pdu->{seq}, message_id => '');
		push @early, $pdu;
	} elsif ($pdu->{cmd} == Net::SMPP::CMD_enquire_link) {
		$smpp->enquire_link_resp(seq => $pdu->{seq});
	} elsif ($pdu->{cmd} == Net::SMPP::CMD_unbind) {
		$smpp->unbind_resp(seq => $pdu->{seq});
	}
	return $pdu;
}

# ask sends a request, and says what came back.
sub ask {
	my ($step, $command, @fields) = @_;
	my $seq = $smpp->$command(@fields, async => 1);
	my $pdu;
	do {
		$pdu = take() or die "$step: the connection ended\n";
	} until $pdu->{seq} == $seq && $pdu->{cmd} & 0x80000000;
	say_step($step,
		command    => $pdu->explain_cmd,
		status     => status_of($pdu->{status}),
		id         => $pdu->{message_id},
		state      => $pdu->{message_state},
		final_date => $pdu->{final_date} ? 'set' : '',
		system_id  => $pdu->{system_id},
		refused    => $pdu->{no_unsuccess} ? join(',', map { "$pdu->{destination_addr}[$_] " . status_of($pdu->{error_status_code}[$_]) }
			0 .. $pdu->{no_unsuccess} - 1) : '');
	return $pdu;
}

# delivery waits for one that fits.
sub delivery {
	my $fits = shift;
	while (1) {
		for my $at (0 .. $#early) {
			return splice @early, $at, 1 if $fits->($early[$at]);
		}
		take() or die "the connection ended before a delivery came\n";
	}
}

sub receipt_of {
	my ($step, $id) = @_;
	my $pdu = delivery(sub { $_[0]{esm_class} == 4 && ($_[0]{receipted_message_id} // '') eq "$id\0" });
	say_step("$step: receipt", id => $id, text => $pdu->{short_message}, state => ord $pdu->{message_state},
		from => $pdu->{source_addr});
}

sub text_from {
	my ($step, $from) = @_;
	my $pdu = delivery(sub { $_[0]{esm_class} == 0 && $_[0]{source_addr} eq $from });
	my $text = decode($pdu->{data_coding} == 8 ? 'UTF-16BE' : 'latin1', $pdu->{short_message});
	say_step($step, text => $text, data_coding => $pdu->{data_coding});
}

sub send_text {
	my ($step, @fields) = @_;
	my $pdu = ask($step, 'submit_sm', destination_addr => $number, registered_delivery => 1, @fields);
	receipt_of($step, $pdu->{message_id});
	return $pdu->{message_id};
}

my $hour   = '000000010000000R';
my $second = '000000000001000R';

# operations are those that came to SMPP after submit_sm.
sub operations {
	my $many = ask('submit_multi', 'submit_multi', destination_addr => ['4161230101', '(416) 123-1234', '4161230102'],
		registered_delivery => 1, short_message => 'to many');
	receipt_of('submit_multi', $many->{message_id});
	receipt_of('submit_multi, the second', $many->{message_id} + 1);

	my $data = ask('data_sm', 'data_sm', destination_addr => $number, registered_delivery => 1, message_payload => 'by data_sm');
	receipt_of('data_sm', $data->{message_id});

	my $old = ask('to be replaced', 'submit_sm', destination_addr => $number, short_message => 'old', schedule_delivery_time => $hour);
	ask('replace_sm', 'replace_sm', message_id => $old->{message_id}, registered_delivery => 1,
		schedule_delivery_time => $second, short_message => 'put in its place');
	receipt_of('replace_sm', $old->{message_id});

	my @news = (service_type => 'NEWS', destination_addr => $number, registered_delivery => 1);
	my $yesterday = ask('yesterday', 'submit_sm', @news, short_message => 'yesterday', schedule_delivery_time => $hour);
	send_text('replace_if_present', @news, replace_if_present_flag => 1, short_message => 'today');
	receipt_of('yesterday', $yesterday->{message_id});

	my @group = (source_addr => '4242', destination_addr => $number);
	my @alarm = (@group, service_type => 'ALRM');
	my @never = (@alarm, short_message => 'never', schedule_delivery_time => $hour);
	my @ids   = map { ask($_, 'submit_sm', @never)->{message_id} } 'one', 'other';
	ask('cancel by addresses', 'cancel_sm', @alarm);
	ask('query of one',   'query_sm', message_id => $ids[0], source_addr => '4242');
	ask('query of other', 'query_sm', message_id => $ids[1], source_addr => '4242');
	ask('cancel by addresses, of nothing', 'cancel_sm', @group, service_type => 'NONE');

	# Net::SMPP takes optional parameters as octets.
	my @referenced = (destination_addr => $number, short_message => 'once', user_message_reference => pack('n', 4711));
	ask('referenced',  'submit_sm', @referenced);
	ask('resubmitted', 'submit_sm', @referenced);

	my @segment = (destination_addr => $number, sar_msg_ref_num => pack('n', 258), sar_total_segments => pack('C', 2));
	ask('segment 1', 'submit_sm', @segment, sar_segment_seqnum => pack('C', 1), short_message => 'first half, ');
	ask('segment 2', 'submit_sm', @segment, sar_segment_seqnum => pack('C', 2), short_message => 'second half');
	ask('segment 3 of 2', 'submit_sm', @segment, sar_segment_seqnum => pack('C', 3), short_message => 'x');
	send_text('ports', source_port => pack('n', 9200), destination_port => pack('n', 2948), short_message => 'to a port');
}

sub connected {
	return Net::SMPP->new_connect('127.0.0.1', port => $port, enquire_interval => 0);
}

$smpp = connected() or die "connect: $!\n";
ask('bind with a wrong password', 'bind_transceiver', system_id => $system_id, password => 'wrong');
ask('bind', 'bind_transceiver', system_id => $system_id, password => $password);
ask('enquire_link', 'enquire_link');

my $id = send_text('short', short_message => 'Mail: shop@example.org, $5 {now}');
ask('query of a delivered message', 'query_sm', message_id => $id);
ask('cancel too late', 'cancel_sm', message_id => $id);
ask('replace too late', 'replace_sm', message_id => $id, short_message => 'x');
send_text('long', short_message => '', message_payload => 'abcdefghij' x 30);
send_text('UCS-2', data_coding => 8, short_message => encode('UTF-16BE', "\x{41f}\x{440}\x{438}\x{432}\x{435}\x{442} \x{1f600}"));
send_text('failing', destination_addr => $failing, short_message => 'nobody there');

my $later = ask('for later', 'submit_sm', destination_addr => $number, short_message => 'never', schedule_delivery_time => $hour);
ask('query of a waiting message', 'query_sm', message_id => $later->{message_id});
ask('cancel', 'cancel_sm', message_id => $later->{message_id});
ask('query of a cancelled message', 'query_sm', message_id => $later->{message_id});

ask('a number as people write it', 'submit_sm', destination_addr => '(416) 123-1234', short_message => 'x');
ask('query of an unknown message', 'query_sm', message_id => '1');

operations();

say_step('ready for texts');
text_from('a text', '4161230001');
text_from('a text in UCS-2', '4161230002');

my $over = ask('over a restart', 'submit_sm', destination_addr => $number, registered_delivery => 1,
	short_message => 'after the restart', schedule_delivery_time => '000000000002000R');
say_step('ready for a restart');
1 while take();
say_step('lost');
$smpp->close;
until ($smpp = connected()) { sleep 0.1 }
ask('bind again', 'bind_transceiver', system_id => $system_id, password => $password);
receipt_of('over a restart', $over->{message_id});

ask('enquire_link again', 'enquire_link');
ask('unbind', 'unbind');
say_step('closed') unless take();
