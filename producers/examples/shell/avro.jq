# Avro's binary form in jq 1.6: values to bytes and back, by a schema. Bytes are arrays of numbers.
# What reads takes a place in the bytes and gives [value, place behind it].

# The records and enumerations within a schema, by name.
def names: [.. | objects | select(.name? and (.type == "record" or .type == "enum"))] | map({key: .name, value: .}) | from_entries;

# The definition behind a name, and what it is.
def defined($names): if type == "string" then $names[.] // . elif type == "object" and (.type | type == "object") then .type else . end;
def kind: if type == "array" then "union" elif type == "object" then .type else . end;

def utf8: [explode[]
  | if . < 128 then .
    elif . < 2048 then 192 + (. / 64 | floor), 128 + . % 64
    elif . < 65536 then 224 + (. / 4096 | floor), 128 + (. / 64 | floor) % 64, 128 + . % 64
    else 240 + (. / 262144 | floor), 128 + (. / 4096 | floor) % 64, 128 + (. / 64 | floor) % 64, 128 + . % 64 end];

def text: [foreach .[] as $byte ({};
    if $byte < 128 then {point: $byte, left: 0}
    elif $byte < 192 then {point: (.point * 64 + $byte % 64), left: (.left - 1)}
    elif $byte < 224 then {point: ($byte % 32), left: 1}
    elif $byte < 240 then {point: ($byte % 16), left: 2}
    else {point: ($byte % 8), left: 3} end;
    if .left == 0 then .point else empty end)] | implode;

def varint: if . < 128 then [.] else [128 + . % 128] + (. / 128 | floor | varint) end;
def long: (if . < 0 then -2 * . - 1 else 2 * . end) | varint;
def counted: (length | long) + .;

# The bytes of a value; what a record does not have is its default.
def write($schema; $names): . as $value | ($schema | defined($names)) as $type | ($type | kind) as $kind
  | if $kind == "union" then
      ([$type[] == "null"] | index($value == null)) as $branch | ($branch | long) + write($type[$branch]; $names)
    elif $kind == "record" then
      [$type.fields[] as $field
        | (if $value | has($field.name) then $value[$field.name] else $field.default end)
        | write($field.type; $names)] | add // []
    elif $kind == "array" or $kind == "map" then
      if length > 0 then error("no filled \($kind) is written here") else [0] end
    elif $kind == "string" then utf8 | counted
    elif $kind == "boolean" then [if . then 1 else 0 end]
    elif $kind == "int" or $kind == "long" then long
    elif $kind == "null" then []
    else error("no \($kind) is written here") end;
def write($schema): write($schema; $schema | names);

def read_long($bytes): [0, ., 1]
  | until($bytes[.[1]] < 128; [.[0] + .[2] * ($bytes[.[1]] - 128), .[1] + 1, .[2] * 128])
  | (.[0] + .[2] * $bytes[.[1]]) as $zigzag
  | [(if $zigzag % 2 == 0 then $zigzag / 2 else -($zigzag + 1) / 2 end), .[1] + 1];

def read_double($bytes): . as $at | $bytes[$at:$at + 8] as $b
  | (reduce range(5; -1; -1) as $n ($b[6] % 16; . * 256 + $b[$n]) / 4503599627370496) as $fraction
  | ($b[7] % 128 * 16 + ($b[6] / 16 | floor)) as $exponent
  | (if $exponent == 0 then $fraction * pow(2; -1022) else (1 + $fraction) * pow(2; $exponent - 1023) end)
  | [(if $b[7] > 127 then -. else . end), $at + 8];

# The items of an array or a map, which come in blocks; the last is empty.
def read_blocks($bytes; item): [[]] + read_long($bytes)
  | until(.[1] == 0;
      (if .[1] < 0 then .[2] |= (read_long($bytes) | .[1]) else . end) as [$before, $count, $at]
      | reduce range($count | fabs) as $_ ([$before, $at]; .[0] as $items | .[1] | item | [$items + [.[0]], .[1]])
      | [.[0]] + (.[1] | read_long($bytes)))
  | [.[0], .[2]];

# The value of a schema that begins at a place in the bytes.
def read($bytes; $schema; $names): ($schema | defined($names)) as $type | ($type | kind) as $kind
  | if $kind == "union" then read_long($bytes) as [$branch, $at] | $at | read($bytes; $type[$branch]; $names)
    elif $kind == "record" then
      reduce $type.fields[] as $field ([{}, .];
        .[0] as $made | .[1] | read($bytes; $field.type; $names) | [$made + {($field.name): .[0]}, .[1]])
    elif $kind == "array" then read_blocks($bytes; read($bytes; $type.items; $names))
    elif $kind == "map" then
      read_blocks($bytes; read($bytes; "string"; $names) as [$key, $at]
        | $at | read($bytes; $type.values; $names) | [{key: $key, value: .[0]}, .[1]])
      | .[0] |= from_entries
    elif $kind == "string" then read_long($bytes) as [$size, $at] | [($bytes[$at:$at + $size] | text), $at + $size]
    elif $kind == "boolean" then [$bytes[.] == 1, . + 1]
    elif $kind == "int" or $kind == "long" then read_long($bytes)
    elif $kind == "double" then read_double($bytes)
    elif $kind == "null" then [null, .]
    else error("no \($kind) is read here") end;
def read($schema): . as $bytes | 0 | read($bytes; $schema; $schema | names) | .[0];

# Confluent's form: a zero, four bytes of the schema's id, the value.
def header: [0, (16777216, 65536, 256, 1) as $unit | . / $unit | floor % 256];
def header_id: reduce .[1:5][] as $byte (0; . * 256 + $byte);

# Bytes as printf '%b' takes them.
def escaped: map("\\0\(. / 64 | floor)\(. / 8 | floor % 8)\(. % 8)") | add;
