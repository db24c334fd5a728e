CREATE TABLE account (
	name TEXT NOT NULL,
	roles JSON NOT NULL,
	created_us BIGINT NOT NULL,
	disabled_us BIGINT,
	password_hash TEXT,
	issuer TEXT,
	issuer_subject TEXT,
	CONSTRAINT pk_account PRIMARY KEY (name),
	CONSTRAINT uq_account_issuer_issuer_subject UNIQUE (issuer, issuer_subject)
)
--;
CREATE TABLE audit_event (
	seq BIGINT NOT NULL,
	event_id TEXT NOT NULL,
	ts_us BIGINT NOT NULL,
	actor TEXT NOT NULL,
	action TEXT NOT NULL,
	subject TEXT NOT NULL,
	model TEXT,
	change_id BIGINT,
	leaf BYTEA NOT NULL,
	leaf_hash BYTEA NOT NULL CONSTRAINT ck_audit_event_leaf_hash CHECK (length(leaf_hash) = 32),
	CONSTRAINT pk_audit_event PRIMARY KEY (seq),
	CONSTRAINT uq_audit_event_event_id UNIQUE (event_id)
)
--;
CREATE INDEX ix_audit_event_action_seq ON audit_event (action, seq)
--;
CREATE INDEX ix_audit_event_change_id_seq ON audit_event (change_id, seq)
--;
CREATE INDEX ix_audit_event_ts_us ON audit_event (ts_us)
--;
CREATE INDEX ix_audit_event_actor_seq ON audit_event (actor, seq)
--;
CREATE INDEX ix_audit_event_subject_seq ON audit_event (subject, seq)
--;
CREATE INDEX ix_audit_event_model_action_seq ON audit_event (model, action, seq)
--;
CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$
--;
CREATE OR REPLACE FUNCTION audit_take_next() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF NEW.seq IS DISTINCT FROM (SELECT size FROM audit_head WHERE id = 1) THEN
        RAISE EXCEPTION 'the audit log takes only the next event';
      END IF;
      RETURN NEW;
    END $$
--;
CREATE OR REPLACE FUNCTION audit_move_head() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF NEW.size IS DISTINCT FROM OLD.size + 1 THEN
        RAISE EXCEPTION 'the head of the audit log moves one event at a time';
      END IF;
      RETURN NEW;
    END $$
--;
CREATE TRIGGER audit_event_insert BEFORE INSERT ON audit_event FOR EACH ROW EXECUTE FUNCTION audit_take_next()
--;
CREATE TRIGGER audit_event_update BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_event FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()
--;
CREATE TABLE audit_search (seq BIGINT PRIMARY KEY, words tsvector NOT NULL)
--;
CREATE INDEX ix_audit_search_words ON audit_search USING gin (words)
--;
CREATE TABLE audit_head (
	id INTEGER NOT NULL CONSTRAINT ck_audit_head_single CHECK (id = 1),
	size BIGINT NOT NULL,
	root BYTEA NOT NULL,
	frontier BYTEA NOT NULL,
	CONSTRAINT pk_audit_head PRIMARY KEY (id)
)
--;
CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$
--;
CREATE OR REPLACE FUNCTION audit_take_next() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF NEW.seq IS DISTINCT FROM (SELECT size FROM audit_head WHERE id = 1) THEN
        RAISE EXCEPTION 'the audit log takes only the next event';
      END IF;
      RETURN NEW;
    END $$
--;
CREATE OR REPLACE FUNCTION audit_move_head() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF NEW.size IS DISTINCT FROM OLD.size + 1 THEN
        RAISE EXCEPTION 'the head of the audit log moves one event at a time';
      END IF;
      RETURN NEW;
    END $$
--;
INSERT INTO audit_head (id, size, root, frontier) VALUES
    (1, 0, '\xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', '')
--;
CREATE TRIGGER audit_head_update BEFORE UPDATE ON audit_head FOR EACH ROW EXECUTE FUNCTION audit_move_head()
--;
CREATE TRIGGER audit_head_delete BEFORE DELETE OR TRUNCATE ON audit_head FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()
--;
CREATE TABLE audit_node (
	level INTEGER NOT NULL,
	idx BIGINT NOT NULL,
	hash BYTEA NOT NULL CONSTRAINT ck_audit_node_hash CHECK (length(hash) = 32),
	CONSTRAINT pk_audit_node PRIMARY KEY (level, idx)
)
--;
CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$
--;
CREATE OR REPLACE FUNCTION audit_take_next() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF NEW.seq IS DISTINCT FROM (SELECT size FROM audit_head WHERE id = 1) THEN
        RAISE EXCEPTION 'the audit log takes only the next event';
      END IF;
      RETURN NEW;
    END $$
--;
CREATE OR REPLACE FUNCTION audit_move_head() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF NEW.size IS DISTINCT FROM OLD.size + 1 THEN
        RAISE EXCEPTION 'the head of the audit log moves one event at a time';
      END IF;
      RETURN NEW;
    END $$
--;
CREATE TRIGGER audit_node_update BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_node FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()
--;
CREATE TABLE audit_checkpoint (
	size BIGINT NOT NULL,
	note TEXT NOT NULL,
	CONSTRAINT pk_audit_checkpoint PRIMARY KEY (size)
)
--;
CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$
--;
CREATE OR REPLACE FUNCTION audit_take_next() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF NEW.seq IS DISTINCT FROM (SELECT size FROM audit_head WHERE id = 1) THEN
        RAISE EXCEPTION 'the audit log takes only the next event';
      END IF;
      RETURN NEW;
    END $$
--;
CREATE OR REPLACE FUNCTION audit_move_head() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF NEW.size IS DISTINCT FROM OLD.size + 1 THEN
        RAISE EXCEPTION 'the head of the audit log moves one event at a time';
      END IF;
      RETURN NEW;
    END $$
--;
CREATE TRIGGER audit_checkpoint_update BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_checkpoint FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()
--;
CREATE TABLE audit_disclosure (
	seq BIGINT NOT NULL,
	name TEXT NOT NULL,
	salt BYTEA NOT NULL,
	value TEXT NOT NULL,
	CONSTRAINT pk_audit_disclosure PRIMARY KEY (seq, name)
)
--;
CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$
--;
CREATE OR REPLACE FUNCTION audit_take_next() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF NEW.seq IS DISTINCT FROM (SELECT size FROM audit_head WHERE id = 1) THEN
        RAISE EXCEPTION 'the audit log takes only the next event';
      END IF;
      RETURN NEW;
    END $$
--;
CREATE OR REPLACE FUNCTION audit_move_head() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF NEW.size IS DISTINCT FROM OLD.size + 1 THEN
        RAISE EXCEPTION 'the head of the audit log moves one event at a time';
      END IF;
      RETURN NEW;
    END $$
--;
CREATE TRIGGER audit_disclosure_update BEFORE UPDATE OR TRUNCATE ON audit_disclosure FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()
--;
CREATE TABLE audit_span (
	chunk BIGINT NOT NULL,
	low_us BIGINT NOT NULL,
	high_us BIGINT NOT NULL,
	CONSTRAINT pk_audit_span PRIMARY KEY (chunk)
)
--;
CREATE TABLE audit_tally (
	field TEXT NOT NULL,
	value TEXT NOT NULL,
	day INTEGER NOT NULL,
	events BIGINT NOT NULL,
	CONSTRAINT pk_audit_tally PRIMARY KEY (field, value, day)
)
--;
CREATE INDEX ix_audit_tally_day_field ON audit_tally (day, field)
--;
CREATE TABLE change (
	id BIGSERIAL NOT NULL,
	kind TEXT NOT NULL,
	subject TEXT NOT NULL,
	model TEXT,
	title TEXT NOT NULL,
	payload JSON NOT NULL,
	requester TEXT NOT NULL,
	reason TEXT NOT NULL,
	state TEXT NOT NULL,
	blocker TEXT NOT NULL,
	bound JSON NOT NULL,
	findings JSON NOT NULL,
	evidence_digest TEXT NOT NULL,
	required_approvals INTEGER NOT NULL,
	barred JSON NOT NULL,
	policy_revision TEXT,
	created_us BIGINT NOT NULL,
	updated_us BIGINT NOT NULL,
	expires_us BIGINT NOT NULL,
	epoch INTEGER NOT NULL,
	lease_until_us BIGINT,
	outcome JSON,
	CONSTRAINT pk_change PRIMARY KEY (id)
)
--;
CREATE INDEX ix_change_model ON change (model, id)
--;
CREATE INDEX ix_change_state ON change (state, id)
--;
CREATE TABLE customer_block (
	model TEXT NOT NULL,
	customer TEXT NOT NULL,
	day INTEGER NOT NULL,
	blocks INTEGER NOT NULL,
	at_us BIGINT NOT NULL,
	until_us BIGINT,
	CONSTRAINT pk_customer_block PRIMARY KEY (model, customer, day)
)
--;
CREATE INDEX ix_customer_block_until ON customer_block (model, until_us)
--;
COMMENT ON COLUMN customer_block.day IS 'days since the epoch, UTC'
--;
CREATE TABLE document (
	id BIGSERIAL NOT NULL,
	kind TEXT NOT NULL,
	name TEXT NOT NULL,
	CONSTRAINT pk_document PRIMARY KEY (id),
	CONSTRAINT uq_document_kind_name UNIQUE (kind, name)
)
--;
CREATE TABLE gate_report (
	id BIGSERIAL NOT NULL,
	model TEXT NOT NULL,
	version INTEGER NOT NULL,
	version_created_us BIGINT NOT NULL,
	stage TEXT NOT NULL,
	tier TEXT NOT NULL,
	champion INTEGER,
	outcome TEXT NOT NULL,
	policy_revision TEXT NOT NULL,
	bound JSON NOT NULL,
	evidence_digest TEXT NOT NULL,
	actor TEXT NOT NULL,
	at_us BIGINT NOT NULL,
	CONSTRAINT pk_gate_report PRIMARY KEY (id)
)
--;
CREATE INDEX ix_gate_report_version ON gate_report (model, stage, version, id)
--;
CREATE INDEX ix_gate_report_stage ON gate_report (stage, id)
--;
CREATE FUNCTION gate_report_no_update() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'rows of gate_report never change'; END$$
--;
CREATE TRIGGER gate_report_no_update BEFORE UPDATE ON gate_report FOR EACH ROW EXECUTE FUNCTION gate_report_no_update()
--;
CREATE FUNCTION gate_report_no_delete() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'rows of gate_report never change'; END$$
--;
CREATE TRIGGER gate_report_no_delete BEFORE DELETE ON gate_report FOR EACH ROW EXECUTE FUNCTION gate_report_no_delete()
--;
CREATE TABLE gate_waiver (
	id BIGSERIAL NOT NULL,
	model TEXT NOT NULL,
	version INTEGER NOT NULL,
	stage TEXT NOT NULL,
	gate TEXT NOT NULL,
	reason TEXT NOT NULL,
	granted_by TEXT NOT NULL,
	granted_us BIGINT NOT NULL,
	expires_us BIGINT NOT NULL,
	revoked_by TEXT,
	revoked_us BIGINT,
	CONSTRAINT pk_gate_waiver PRIMARY KEY (id)
)
--;
CREATE INDEX ix_gate_waiver_version ON gate_waiver (model, version, stage)
--;
CREATE TABLE checklist_answer (
	model TEXT NOT NULL,
	version INTEGER NOT NULL,
	item TEXT NOT NULL,
	answer TEXT NOT NULL,
	note TEXT NOT NULL,
	actor TEXT NOT NULL,
	at_us BIGINT NOT NULL,
	CONSTRAINT pk_checklist_answer PRIMARY KEY (model, version, item)
)
--;
CREATE TABLE job (
	id BIGSERIAL NOT NULL,
	name TEXT NOT NULL,
	payload JSON NOT NULL,
	key TEXT,
	state TEXT NOT NULL,
	requested_by TEXT NOT NULL,
	origin TEXT NOT NULL,
	created_us BIGINT NOT NULL,
	pushed_us BIGINT NOT NULL,
	started_us BIGINT,
	ended_us BIGINT,
	attempts INTEGER NOT NULL,
	worker TEXT,
	lease_until_us BIGINT,
	is_cancel_wanted BOOLEAN NOT NULL,
	progress JSON NOT NULL,
	result JSON,
	error JSON,
	CONSTRAINT pk_job PRIMARY KEY (id)
)
--;
CREATE INDEX ix_job_requested_by_id ON job (requested_by, id)
--;
CREATE INDEX ix_job_state_lease_until_us ON job (state, lease_until_us)
--;
CREATE INDEX ix_job_name_id ON job (name, id)
--;
CREATE INDEX ix_job_key_state ON job (key, state)
--;
CREATE TABLE outbox_message (
	id BIGSERIAL NOT NULL,
	delivery_id TEXT NOT NULL,
	event TEXT NOT NULL,
	subject TEXT NOT NULL,
	url TEXT NOT NULL,
	body TEXT NOT NULL,
	state TEXT NOT NULL,
	created_us BIGINT NOT NULL,
	next_try_us BIGINT NOT NULL,
	attempts INTEGER NOT NULL,
	ended_us BIGINT,
	last_problem TEXT NOT NULL,
	CONSTRAINT pk_outbox_message PRIMARY KEY (id),
	CONSTRAINT uq_outbox_message_delivery_id UNIQUE (delivery_id)
)
--;
CREATE INDEX ix_outbox_message_state_next_try_us ON outbox_message (state, next_try_us)
--;
CREATE TABLE pin (
	id BIGSERIAL NOT NULL,
	model TEXT NOT NULL,
	current INTEGER NOT NULL,
	previous INTEGER,
	fallback INTEGER,
	since_us BIGINT NOT NULL,
	change_id BIGINT,
	actor TEXT NOT NULL,
	CONSTRAINT pk_pin PRIMARY KEY (id)
)
--;
CREATE INDEX ix_pin_model ON pin (model, id)
--;
CREATE TABLE registry_model (
	name TEXT NOT NULL,
	created_us BIGINT NOT NULL,
	updated_us BIGINT NOT NULL,
	description TEXT NOT NULL,
	tags JSON NOT NULL,
	aliases JSON NOT NULL,
	team TEXT NOT NULL,
	tier TEXT NOT NULL,
	owner TEXT NOT NULL,
	stage VARCHAR(16) NOT NULL,
	version_count INTEGER NOT NULL,
	latest_version INTEGER,
	latest_us BIGINT,
	production_version INTEGER,
	staging_version INTEGER,
	stage_versions JSON NOT NULL,
	metric_name TEXT,
	metric_value FLOAT,
	trend JSON NOT NULL,
	problems JSON NOT NULL,
	problem_count INTEGER NOT NULL,
	open_drifts INTEGER NOT NULL,
	search_text TEXT NOT NULL,
	CONSTRAINT pk_registry_model PRIMARY KEY (name)
)
--;
CREATE INDEX ix_registry_model_updated_us_name ON registry_model (updated_us, name)
--;
CREATE INDEX ix_registry_model_problem_count_name ON registry_model (problem_count, name)
--;
CREATE INDEX ix_registry_model_metric_value_name ON registry_model (metric_value, name)
--;
CREATE TABLE registry_version (
	model TEXT NOT NULL,
	version INTEGER NOT NULL,
	created_us BIGINT NOT NULL,
	updated_us BIGINT NOT NULL,
	stage VARCHAR(16) NOT NULL,
	status TEXT NOT NULL,
	author TEXT NOT NULL,
	description TEXT NOT NULL,
	source TEXT NOT NULL,
	run_id TEXT,
	model_id TEXT,
	tags JSON NOT NULL,
	aliases JSON NOT NULL,
	record_digest VARCHAR(32) NOT NULL,
	folder TEXT NOT NULL,
	is_detailed BOOLEAN NOT NULL,
	priority INTEGER NOT NULL,
	metrics JSON NOT NULL,
	facts JSON NOT NULL,
	CONSTRAINT pk_registry_version PRIMARY KEY (model, version)
)
--;
CREATE INDEX ix_registry_version_is_detailed_priority_created_us ON registry_version (is_detailed, priority, created_us)
--;
CREATE INDEX ix_registry_version_folder ON registry_version (folder)
--;
CREATE INDEX ix_registry_version_updated_us ON registry_version (updated_us)
--;
CREATE INDEX ix_registry_version_run_id ON registry_version (run_id)
--;
CREATE TABLE registry_folder (
	folder TEXT NOT NULL,
	signature_state VARCHAR(16) NOT NULL,
	size_bytes INTEGER,
	mlmodel TEXT,
	read_us BIGINT NOT NULL,
	CONSTRAINT pk_registry_folder PRIMARY KEY (folder)
)
--;
CREATE TABLE registry_gone (
	id BIGSERIAL NOT NULL,
	model TEXT NOT NULL,
	version INTEGER,
	created_us BIGINT NOT NULL,
	gone_us BIGINT NOT NULL,
	record JSON NOT NULL,
	CONSTRAINT pk_registry_gone PRIMARY KEY (id)
)
--;
CREATE INDEX ix_registry_gone_model_version ON registry_gone (model, version)
--;
CREATE TABLE registry_sync (
	id INTEGER NOT NULL,
	attempt_us BIGINT,
	success_us BIGINT,
	full_us BIGINT,
	duration_ms INTEGER,
	error TEXT NOT NULL,
	baseline_us BIGINT,
	examined_gone_id BIGINT NOT NULL,
	CONSTRAINT pk_registry_sync PRIMARY KEY (id)
)
--;
CREATE TABLE registry_approved (
	model TEXT NOT NULL,
	kind VARCHAR(16) NOT NULL,
	version INTEGER NOT NULL,
	key TEXT NOT NULL,
	value TEXT,
	former TEXT,
	is_settled BOOLEAN NOT NULL,
	at_us BIGINT NOT NULL,
	next_check_us BIGINT NOT NULL,
	CONSTRAINT pk_registry_approved PRIMARY KEY (model, kind, version, key)
)
--;
CREATE TABLE registry_drift (
	id BIGSERIAL NOT NULL,
	model TEXT NOT NULL,
	kind VARCHAR(16) NOT NULL,
	version INTEGER NOT NULL,
	key TEXT NOT NULL,
	approved TEXT,
	found TEXT,
	state VARCHAR(16) NOT NULL,
	detected_us BIGINT NOT NULL,
	closed_us BIGINT,
	closed_by TEXT NOT NULL,
	reason TEXT NOT NULL,
	CONSTRAINT pk_registry_drift PRIMARY KEY (id)
)
--;
CREATE INDEX ix_registry_drift_state_id ON registry_drift (state, id)
--;
CREATE INDEX ix_registry_drift_model_state ON registry_drift (model, state)
--;
CREATE TABLE sign_in_attempt (
	id BIGSERIAL NOT NULL,
	key TEXT NOT NULL,
	at_us BIGINT NOT NULL,
	CONSTRAINT pk_sign_in_attempt PRIMARY KEY (id)
)
--;
CREATE INDEX ix_sign_in_attempt_at_us ON sign_in_attempt (at_us)
--;
CREATE INDEX ix_sign_in_attempt_key_at_us ON sign_in_attempt (key, at_us)
--;
CREATE TABLE installation_fact (
	name TEXT NOT NULL,
	value TEXT NOT NULL,
	CONSTRAINT pk_installation_fact PRIMARY KEY (name)
)
--;
CREATE TABLE api_token (
	id TEXT NOT NULL,
	account TEXT NOT NULL,
	digest TEXT NOT NULL,
	scopes JSON,
	created_us BIGINT NOT NULL,
	created_by TEXT NOT NULL,
	expires_us BIGINT NOT NULL,
	used_us BIGINT,
	revoked_us BIGINT,
	CONSTRAINT pk_api_token PRIMARY KEY (id),
	CONSTRAINT fk_api_token_account FOREIGN KEY(account) REFERENCES account (name)
)
--;
CREATE INDEX ix_api_token_account ON api_token (account)
--;
CREATE TABLE change_decision (
	id BIGSERIAL NOT NULL,
	change_id BIGINT NOT NULL,
	actor TEXT NOT NULL,
	decision TEXT NOT NULL,
	reason TEXT NOT NULL,
	evidence_digest TEXT NOT NULL,
	at_us BIGINT NOT NULL,
	CONSTRAINT pk_change_decision PRIMARY KEY (id),
	CONSTRAINT fk_change_decision_change_id FOREIGN KEY(change_id) REFERENCES change (id)
)
--;
CREATE INDEX ix_change_decision_change ON change_decision (change_id, id)
--;
CREATE TABLE document_revision (
	id BIGSERIAL NOT NULL,
	document_id BIGINT NOT NULL,
	number INTEGER NOT NULL,
	base INTEGER,
	text TEXT NOT NULL,
	digest TEXT NOT NULL,
	author TEXT NOT NULL,
	reason TEXT NOT NULL,
	created_us BIGINT NOT NULL,
	CONSTRAINT pk_document_revision PRIMARY KEY (id),
	CONSTRAINT uq_document_revision_document_id_number UNIQUE (document_id, number),
	CONSTRAINT fk_document_revision_document_id FOREIGN KEY(document_id) REFERENCES document (id)
)
--;
CREATE FUNCTION document_revision_no_update() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'rows of document_revision never change'; END$$
--;
CREATE TRIGGER document_revision_no_update BEFORE UPDATE ON document_revision FOR EACH ROW EXECUTE FUNCTION document_revision_no_update()
--;
CREATE FUNCTION document_revision_no_delete() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'rows of document_revision never change'; END$$
--;
CREATE TRIGGER document_revision_no_delete BEFORE DELETE ON document_revision FOR EACH ROW EXECUTE FUNCTION document_revision_no_delete()
--;
CREATE TABLE gate_result (
	report_id BIGINT NOT NULL,
	place INTEGER NOT NULL,
	model TEXT NOT NULL,
	stage TEXT NOT NULL,
	version INTEGER NOT NULL,
	gate TEXT NOT NULL,
	kind TEXT NOT NULL,
	outcome TEXT NOT NULL,
	observed JSON,
	threshold JSON,
	unit TEXT NOT NULL,
	message TEXT NOT NULL,
	remedy TEXT NOT NULL,
	dry_run BOOLEAN NOT NULL,
	waived BOOLEAN NOT NULL,
	details JSON NOT NULL,
	CONSTRAINT pk_gate_result PRIMARY KEY (report_id, place),
	CONSTRAINT fk_gate_result_report_id FOREIGN KEY(report_id) REFERENCES gate_report (id)
)
--;
CREATE INDEX ix_gate_result_trend ON gate_result (model, stage, gate, report_id)
--;
CREATE FUNCTION gate_result_no_update() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'rows of gate_result never change'; END$$
--;
CREATE TRIGGER gate_result_no_update BEFORE UPDATE ON gate_result FOR EACH ROW EXECUTE FUNCTION gate_result_no_update()
--;
CREATE FUNCTION gate_result_no_delete() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'rows of gate_result never change'; END$$
--;
CREATE TRIGGER gate_result_no_delete BEFORE DELETE ON gate_result FOR EACH ROW EXECUTE FUNCTION gate_result_no_delete()
--;
CREATE TABLE session (
	digest TEXT NOT NULL,
	account TEXT NOT NULL,
	way TEXT NOT NULL,
	origin TEXT NOT NULL,
	started_us BIGINT NOT NULL,
	seen_us BIGINT NOT NULL,
	expires_us BIGINT NOT NULL,
	ended_us BIGINT,
	end_reason TEXT,
	CONSTRAINT pk_session PRIMARY KEY (digest),
	CONSTRAINT fk_session_account FOREIGN KEY(account) REFERENCES account (name)
)
--;
CREATE INDEX ix_session_account_ended_us ON session (account, ended_us)
--;
CREATE INDEX ix_session_expires_us ON session (expires_us)
--;
CREATE TABLE document_state (
	id BIGSERIAL NOT NULL,
	document_id BIGINT NOT NULL,
	revision_id BIGINT NOT NULL,
	state TEXT NOT NULL,
	actor TEXT NOT NULL,
	change_id BIGINT,
	at_us BIGINT NOT NULL,
	CONSTRAINT pk_document_state PRIMARY KEY (id),
	CONSTRAINT fk_document_state_document_id FOREIGN KEY(document_id) REFERENCES document (id),
	CONSTRAINT fk_document_state_revision_id FOREIGN KEY(revision_id) REFERENCES document_revision (id)
)
--;
CREATE INDEX ix_document_state_revision ON document_state (revision_id, id)
--;
CREATE INDEX ix_document_state_document ON document_state (document_id, state, at_us, id)
--;
CREATE FUNCTION document_state_no_update() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'rows of document_state never change'; END$$
--;
CREATE TRIGGER document_state_no_update BEFORE UPDATE ON document_state FOR EACH ROW EXECUTE FUNCTION document_state_no_update()
--;
CREATE FUNCTION document_state_no_delete() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'rows of document_state never change'; END$$
--;
CREATE TRIGGER document_state_no_delete BEFORE DELETE ON document_state FOR EACH ROW EXECUTE FUNCTION document_state_no_delete()
