-- Stands before every script of durable rounds: what the keys of a broker are called, and what time it is.
-- KEYS: 1 what all keys of the broker begin with, 2 the number of the last round of all brokers beside it.
--
-- base:it            hash: `tag`, by which a broker is told from one that was there before it; `format`, of what is kept; `rules`, by
--                    which rounds open; `version`, by chance another one after each change of consumers or parties
-- base:rules         hash: the text of rules, by their number
-- base:noted         sorted set: when rules were enrolled last, by their number
-- base:consumers     set: who hears of rounds. What each of them is to hear is the stream base:to:<name>:heard
-- base:parties       hash: what parties say of themselves: `1` before it if they can be asked, by a stream of their channel, else `0`
-- base:round:<id>    hash: a round. `text` is its outcome, or why it is aside
-- base:rows:<id>     list: its signals, each as bytes of which no script knows anything
-- base:key:<key>     hash: `version`, by chance another one after each change of its rounds, `living` and `last`, the numbers of these. A
--                    number that is counted could come again after a failover, and stand for something else
-- base:of:<key>      sorted set: the numbers of all of its rounds
-- base:is:<state>    sorted set: the numbers of rounds that are open (0), awaited (1) or aside (2)
-- base:look:<rules>  sorted set: when rounds by these rules are looked at that are open or awaited; base:due:<rules>: their deadlines
-- base:active        set: the rules of which there are such
-- base:over          sorted set: when rounds closed that are over
--
-- Numbers and times are compared as numbers here, and else are texts: a time of this century in microseconds has 51 bits.
local base, last_number = KEYS[1], KEYS[2]
local it, texts, consumers = base .. ':it', base .. ':rules', base .. ':consumers'
local parties, noted = base .. ':parties', base .. ':noted'
local active, over = base .. ':active', base .. ':over'

local function round_of(id) return base .. ':round:' .. id end
local function rows_of(id) return base .. ':rows:' .. id end
local function key_of(key) return base .. ':key:' .. key end
local function numbers_of(key) return base .. ':of:' .. key end
local function is_of(state) return base .. ':is:' .. state end
local function look_of(rules) return base .. ':look:' .. rules end
local function due_of(rules) return base .. ':due:' .. rules end
local function heard_of(consumer) return base .. ':to:' .. consumer .. ':heard' end

-- As a text that names every digit.
local function whole(number)
  return string.format('%.0f', number)
end

-- Microseconds since 1970.
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

-- What there is of a round, in the order in which it is read; false for what is not there.
local function line_of(id)
  return redis.call('HMGET', round_of(id), 'key', 'state', 'rules', 'opened', 'look', 'due', 'closed', 'generation', 'text')
end

-- Texts of rules, each once.
local learned, known = {}, {}
local function learn(rules)
  if rules and not known[rules] then
    known[rules] = true
    learned[#learned + 1] = rules
    learned[#learned + 1] = redis.call('HGET', texts, rules) or ''
  end
end
