-- The demo's business: a bank for companies with two customers, and what an hour of its life leaves in the database.
-- `SELECT a_second_passes()` lets it live on.

SELECT setseed(0.1789);

CREATE TABLE organisations (
  id uuid PRIMARY KEY,
  name text NOT NULL
);

INSERT INTO organisations VALUES
  ('6f1c2b1e-0d5a-4c53-9a57-3f1f0e0a7b11', 'Boulangerie Lemaire'),
  ('c2b7a9d4-41f3-4d0e-8f6b-92d1c58e6a27', 'Atelier Fontaine');

CREATE FUNCTION some_organisation() RETURNS uuid LANGUAGE sql VOLATILE AS $$
  SELECT id FROM organisations ORDER BY random() LIMIT 1
$$;

CREATE TYPE transfer_status AS ENUM ('to_send', 'processing', 'sent', 'failed');

CREATE TABLE transfers (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  organisation_id uuid NOT NULL REFERENCES organisations,
  status transfer_status NOT NULL,
  amount numeric(14, 2) NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX ON transfers (status, updated_at);

INSERT INTO transfers (organisation_id, status, amount, created_at, updated_at)
SELECT
  some_organisation(),
  CASE WHEN n <= 3 THEN 'failed' WHEN n <= 15 THEN 'to_send' WHEN n <= 20 THEN 'processing' ELSE 'sent' END::transfer_status,
  round((10 ^ (1 + 3 * random()))::numeric, 2),
  now() - n * interval '8 seconds',
  now() - n * interval '8 seconds' + interval '5 seconds'
FROM generate_series(1, 450) AS n;

CREATE TYPE card_status AS ENUM ('ordered', 'active', 'paused', 'lost');

CREATE TABLE cards (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  organisation_id uuid NOT NULL REFERENCES organisations,
  status card_status NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now()
);

INSERT INTO cards (organisation_id, status)
SELECT
  some_organisation(),
  CASE WHEN n % 20 = 0 THEN 'lost' WHEN n % 9 = 0 THEN 'paused' WHEN n % 7 = 0 THEN 'ordered' ELSE 'active' END::card_status
FROM generate_series(1, 120) AS n;

-- The sign-up funnel: who signs up starts a step, and completes it or is refused; then comes the next step.
CREATE TABLE sign_up_steps (
  step text PRIMARY KEY,
  position integer NOT NULL UNIQUE
);

INSERT INTO sign_up_steps VALUES ('email', 1), ('phone', 2), ('identity', 3), ('company', 4), ('deposit', 5);

CREATE TABLE sign_up_events (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  sign_up_id bigint NOT NULL,
  step text NOT NULL REFERENCES sign_up_steps,
  phase text NOT NULL CHECK (phase IN ('started', 'completed', 'refused')),
  os text NOT NULL,
  occurred_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX ON sign_up_events (occurred_at);
CREATE INDEX ON sign_up_events (sign_up_id, id);

CREATE SEQUENCE sign_up_ids;

CREATE FUNCTION some_os() RETURNS text LANGUAGE sql VOLATILE AS $$
  SELECT (ARRAY['ios', 'ios', 'ios', 'android', 'android', 'web'])[1 + floor(random() * 6)]
$$;

INSERT INTO sign_up_events (sign_up_id, step, phase, os, occurred_at)
SELECT nextval('sign_up_ids'), 'email', 'started', some_os(), now() - n * interval '20 seconds'
FROM generate_series(1, 180) AS n;

-- Moves one in four of the sign-ups that are under way one phase on. The web loses more people than the apps do.
CREATE FUNCTION sign_ups_go_on(delay interval) RETURNS void LANGUAGE sql VOLATILE AS $$
  INSERT INTO sign_up_events (sign_up_id, step, phase, os, occurred_at)
  SELECT
    sign_up_id,
    CASE phase WHEN 'completed' THEN next.step ELSE latest.step END,
    CASE
      WHEN phase = 'completed' THEN 'started'
      WHEN latest.step = 'identity' AND random() < 0.15 THEN 'refused'
      ELSE 'completed'
    END,
    os,
    least(latest.occurred_at + delay, now())
  FROM (
    SELECT DISTINCT ON (sign_up_id) * FROM sign_up_events
    WHERE occurred_at > now() - interval '2 hours'
    ORDER BY sign_up_id, id DESC
  ) AS latest
  JOIN sign_up_steps AS this ON this.step = latest.step
  LEFT JOIN sign_up_steps AS next ON next.position = this.position + 1
  WHERE (phase = 'started' OR (phase = 'completed' AND next.step IS NOT NULL))
    AND random() < CASE os WHEN 'web' THEN 0.2 ELSE 0.3 END
$$;

SELECT sign_ups_go_on('30 seconds') FROM generate_series(1, 18);

CREATE TABLE campaigns (
  id integer PRIMARY KEY,
  campaign_group text NOT NULL,
  -- How many of a hundred leads it brings.
  share integer NOT NULL
);

INSERT INTO campaigns VALUES
  (1, 'search', 34), (2, 'search', 18), (3, 'social', 22), (4, 'social', 9), (5, 'partners', 12), (6, 'radio', 5);

CREATE TABLE leads (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  campaign_id integer NOT NULL REFERENCES campaigns,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX ON leads (created_at);

INSERT INTO leads (campaign_id, created_at)
SELECT campaigns.id, now() - random() * interval '3 hours'
FROM campaigns, generate_series(1, share * 6);

CREATE FUNCTION a_second_passes() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  -- What was sent out ends well, most of the time; then the next transfers go out, and customers order new ones.
  UPDATE transfers
  SET status = CASE WHEN random() < 0.03 THEN 'failed' ELSE 'sent' END::transfer_status, updated_at = now()
  WHERE status = 'processing' AND updated_at < now() - interval '2 seconds' AND random() < 0.5;
  UPDATE transfers
  SET status = 'processing', updated_at = now()
  WHERE status = 'to_send' AND updated_at < now() - interval '2 seconds' AND random() < 0.2;
  -- The people of the back office try again what has failed.
  UPDATE transfers
  SET status = 'to_send', updated_at = now()
  WHERE status = 'failed' AND updated_at < now() - interval '20 seconds' AND random() < 0.02;
  INSERT INTO transfers (organisation_id, status, amount)
  SELECT some_organisation(), 'to_send', round((10 ^ (1 + 3 * random()))::numeric, 2)
  FROM generate_series(1, floor(random() * 5)::integer);

  UPDATE cards SET status = 'active', updated_at = now() WHERE status = 'ordered' AND random() < 0.02;
  UPDATE cards
  SET status = CASE status WHEN 'active' THEN 'paused' ELSE 'active' END::card_status, updated_at = now()
  WHERE status IN ('active', 'paused') AND random() < 0.003;
  INSERT INTO cards (organisation_id, status) SELECT some_organisation(), 'ordered' WHERE random() < 0.15;

  INSERT INTO sign_up_events (sign_up_id, step, phase, os)
  SELECT nextval('sign_up_ids'), 'email', 'started', some_os() WHERE random() < 0.5;
  PERFORM sign_ups_go_on('2 hours') WHERE random() < 0.3;

  INSERT INTO leads (campaign_id) SELECT id FROM campaigns WHERE random() * 100 < share * 0.5;
END
$$;
