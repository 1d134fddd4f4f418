PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE _sqlx_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL
);
INSERT INTO _sqlx_migrations VALUES(1,'spans','2026-11-22 23:40:35',1,X'20f80d76837df82e3abc9b9f0d698da62e480c700f2ce384c1b435bf3255c8e7c147c2fe68716bc8699f1019fc2b2ef6',1707154);
INSERT INTO _sqlx_migrations VALUES(2,'receipts','2026-11-22 23:40:35',1,X'df9cee3cd50bbb3c33d38ac0c7b4eaf78a11be0d82ea9ef979988b280250acb02a5ca0cf0479037e21a348a60e352902',615925);
CREATE TABLE resource (
    resource_id integer primary key,
    service_id integer not null,
    node text,
    schema_url text not null,
    attributes text not null,
    attributes_shape blob,
    dropped_attributes_count integer not null,
    entity_refs text
) strict;
INSERT INTO resource VALUES(-8215996757806336421,2,'node-0','https://opentelemetry.io/schemas/1.37.0','{"service.name":"cart","host.name":"node-0","process.pid":4711,"tags":["a",null,1.0]}',X'0003010200',1,'[{"schema_url":"https://opentelemetry.io/schemas/1.40.0","type":"host","id_keys":["host.name"],"description_keys":["os\u0001\u0001"]}]');
INSERT INTO resource VALUES(-7992050211692514600,3,'node-0','https://opentelemetry.io/schemas/1.37.0','{"service.name":"cart-db","host.name":"node-0","process.pid":4711,"tags":["a",null,1.0]}',X'0003010200',1,'[{"schema_url":"https://opentelemetry.io/schemas/1.40.0","type":"host","id_keys":["host.name"],"description_keys":["os\u0001\u0001"]}]');
INSERT INTO resource VALUES(-1840144265887181540,1,'node-0','https://opentelemetry.io/schemas/1.37.0','{"service.name":"shop","host.name":"node-0","process.pid":4711,"tags":["a",null,1.0]}',X'0003010200',1,'[{"schema_url":"https://opentelemetry.io/schemas/1.40.0","type":"host","id_keys":["host.name"],"description_keys":["os\u0001\u0001"]}]');
INSERT INTO resource VALUES(1427319157705426899,2,'node-1','https://opentelemetry.io/schemas/1.37.0','{"service.name":"cart","host.name":"node-1","process.pid":4711,"tags":["a",null,1.0]}',X'0003010200',1,'[{"schema_url":"https://opentelemetry.io/schemas/1.40.0","type":"host","id_keys":["host.name"],"description_keys":["os\u0001\u0001"]}]');
INSERT INTO resource VALUES(6530634151724246987,3,'node-1','https://opentelemetry.io/schemas/1.37.0','{"service.name":"cart-db","host.name":"node-1","process.pid":4711,"tags":["a",null,1.0]}',X'0003010200',1,'[{"schema_url":"https://opentelemetry.io/schemas/1.40.0","type":"host","id_keys":["host.name"],"description_keys":["os\u0001\u0001"]}]');
INSERT INTO resource VALUES(8093060694948498290,1,'node-1','https://opentelemetry.io/schemas/1.37.0','{"service.name":"shop","host.name":"node-1","process.pid":4711,"tags":["a",null,1.0]}',X'0003010200',1,'[{"schema_url":"https://opentelemetry.io/schemas/1.40.0","type":"host","id_keys":["host.name"],"description_keys":["os\u0001\u0001"]}]');
INSERT INTO resource VALUES(8827121125201873892,4,NULL,'','{}',NULL,0,NULL);
CREATE TABLE scope (
    scope_id integer primary key,
    name text not null,
    version text not null,
    schema_url text not null,
    attributes text not null,
    attributes_shape blob,
    dropped_attributes_count integer not null
) strict;
INSERT INTO scope VALUES(-6992839467779247689,'cart.get','1.2.3','s','{"short":true}',NULL,2);
INSERT INTO scope VALUES(4897897050644095740,'','','','{}',NULL,0);
INSERT INTO scope VALUES(8910501867728692018,'SELECT','1.2.3','s','{"short":true}',NULL,2);
INSERT INTO scope VALUES(8986761804353673613,'GET /carts/{id}','1.2.3','s','{"short":true}',NULL,2);
CREATE TABLE service (
    service_id integer primary key,
    name text not null unique
) strict;
INSERT INTO service VALUES(1,'shop');
INSERT INTO service VALUES(2,'cart');
INSERT INTO service VALUES(3,'cart-db');
INSERT INTO service VALUES(4,'unknown_service');
CREATE TABLE operation (
    service_id integer not null,
    name text not null,
    kind integer not null,
    primary key (service_id, name, kind)
) strict, without rowid;
INSERT INTO operation VALUES(1,'',2);
INSERT INTO operation VALUES(1,'GET /carts/{id}',2);
INSERT INTO operation VALUES(1,'GET /carts/{id}',3);
INSERT INTO operation VALUES(1,'né',-7);
INSERT INTO operation VALUES(2,'cart.get',3);
INSERT INTO operation VALUES(3,'SELECT',1);
INSERT INTO operation VALUES(4,'GET /carts/{id}',2);
CREATE TABLE span_row (
    -- The order of arrival, never used twice: what a watermark points into.
    arrival integer primary key autoincrement,
    trace_id blob not null,
    span_id blob not null,
    -- Microseconds since 1970; start_nano has the 0 to 999 nanoseconds beyond.
    start_time integer not null,
    start_nano integer not null,
    -- As the model clamps it, so that all databases compare durations alike.
    duration_nano integer not null,
    -- Null when the end is start + duration, as it nearly always is; else its 64 bits, as a signed number.
    end_exact integer,
    parent_span_id blob,
    service_id integer not null,
    resource_id integer not null,
    scope_id integer not null,
    -- Half of the hash of the whole content: rows with equal ids, start and digest are exact copies.
    digest integer not null,
    name text not null,
    kind integer not null,
    flags integer not null,
    -- Null is 0, here and in the counts: mostly they are.
    status_code integer,
    dropped_attributes_count integer,
    dropped_events_count integer,
    dropped_links_count integer,
    -- Null is empty, here and in the next.
    status_message text,
    trace_state text,
    -- `attributes` is for searching; order and copies of keys, where they matter, are in the shape.
    attributes text not null,
    attributes_shape blob,
    events text,
    links text
) strict;
INSERT INTO span_row VALUES(1,X'0000000000000001000000000000abcd',X'0000000000000001',1767229080000001,0,89998000,NULL,NULL,1,-1840144265887181540,8986761804353673613,5276514674235465961,'GET /carts/{id}',2,257,2,NULL,NULL,NULL,'failed: 0',NULL,'{"http.response.status_code":500,"url.path":"/carts/0?q=100%&x=\"y\""}',X'000100','[{"time_unix_nano":1767229080000000005,"name":"exception","attributes":{"exception.type":"java.io.IOException","exception.stacktrace":"at a.b.C(C.java:1)\n\tat d.e.F(F.java:2)\n"},"dropped_attributes_count":3}]',NULL);
INSERT INTO span_row VALUES(2,X'0000000000000001000000000000abcd',X'0000000000000002',1767229080000002,0,89996000,NULL,X'0000000000000001',2,-8215996757806336421,-6992839467779247689,5135404849086675777,'cart.get',3,257,2,NULL,NULL,NULL,'failed: 0',NULL,'{"retry":false,"ratio":0.25}',X'000100','[{"time_unix_nano":1767229080000000005,"name":"exception","attributes":{"exception.type":"java.io.IOException","exception.stacktrace":"at a.b.C(C.java:1)\n\tat d.e.F(F.java:2)\n"},"dropped_attributes_count":3}]',NULL);
INSERT INTO span_row VALUES(3,X'0000000000000001000000000000abcd',X'0000000000000003',1767229080000003,0,89994000,NULL,X'0000000000000002',3,-7992050211692514600,8910501867728692018,5249856616766202107,'SELECT',1,257,2,NULL,NULL,NULL,'failed: 0',NULL,'{"db.query.text":"select *\nfrom\tcart"}',NULL,'[{"time_unix_nano":1767229080000000005,"name":"exception","attributes":{"exception.type":"java.io.IOException","exception.stacktrace":"at a.b.C(C.java:1)\n\tat d.e.F(F.java:2)\n"},"dropped_attributes_count":3}]',NULL);
INSERT INTO span_row VALUES(4,X'0000000000000002000000000000abcd',X'0000000000000065',1767229097000001,1,89998001,NULL,NULL,1,8093060694948498290,8986761804353673613,-3482533037729546678,'GET /carts/{id}',2,257,1,NULL,NULL,NULL,NULL,NULL,'{"http.response.status_code":200,"url.path":"/carts/1?q=100%&x=\"y\""}',X'000100',NULL,NULL);
INSERT INTO span_row VALUES(5,X'0000000000000002000000000000abcd',X'0000000000000066',1767229097000002,1,89996001,NULL,X'0000000000000065',2,1427319157705426899,-6992839467779247689,6427624225149884617,'cart.get',3,257,1,NULL,NULL,NULL,NULL,NULL,'{"retry":false,"ratio":0.25}',X'000100',NULL,NULL);
INSERT INTO span_row VALUES(6,X'0000000000000002000000000000abcd',X'0000000000000067',1767229097000003,1,89994001,NULL,X'0000000000000066',3,6530634151724246987,8910501867728692018,2846900570749664593,'SELECT',1,257,1,NULL,NULL,NULL,NULL,NULL,'{"db.query.text":"select *\nfrom\tcart"}',NULL,NULL,NULL);
INSERT INTO span_row VALUES(7,X'0000000000000003000000000000abcd',X'00000000000000c9',1767229114000001,2,89998002,NULL,NULL,1,-1840144265887181540,8986761804353673613,-1271423716922282280,'GET /carts/{id}',2,257,NULL,NULL,NULL,NULL,NULL,NULL,'{"http.response.status_code":200,"url.path":"/carts/2?q=100%&x=\"y\""}',X'000100',NULL,NULL);
INSERT INTO span_row VALUES(8,X'0000000000000003000000000000abcd',X'00000000000000ca',1767229114000002,2,89996002,NULL,X'00000000000000c9',2,-8215996757806336421,-6992839467779247689,-2163861925425097253,'cart.get',3,257,NULL,NULL,NULL,NULL,NULL,NULL,'{"retry":false,"ratio":0.25}',X'000100',NULL,NULL);
INSERT INTO span_row VALUES(9,X'0000000000000003000000000000abcd',X'00000000000000cb',1767229114000003,2,89994002,NULL,X'00000000000000ca',3,-7992050211692514600,8910501867728692018,2790405966221054989,'SELECT',1,257,NULL,NULL,NULL,NULL,NULL,NULL,'{"db.query.text":"select *\nfrom\tcart"}',NULL,NULL,NULL);
INSERT INTO span_row VALUES(10,X'0000000000000004000000000000abcd',X'000000000000012d',1767229131000001,3,89998003,NULL,NULL,1,8093060694948498290,8986761804353673613,1396493173460080697,'GET /carts/{id}',2,257,NULL,NULL,NULL,NULL,NULL,'vendor=1,other=2','{"http.response.status_code":200,"url.path":"/carts/3?q=100%&x=\"y\""}',X'000100',NULL,NULL);
INSERT INTO span_row VALUES(11,X'0000000000000004000000000000abcd',X'000000000000012e',1767229131000002,3,89996003,NULL,X'000000000000012d',2,1427319157705426899,-6992839467779247689,5621802600813804110,'cart.get',3,257,NULL,NULL,NULL,NULL,NULL,'vendor=1,other=2','{"retry":false,"ratio":0.25}',X'000100',NULL,NULL);
INSERT INTO span_row VALUES(12,X'0000000000000004000000000000abcd',X'000000000000012f',1767229131000003,3,89994003,NULL,X'000000000000012e',3,6530634151724246987,8910501867728692018,5490692254460148121,'SELECT',1,257,NULL,NULL,NULL,NULL,NULL,'vendor=1,other=2','{"db.query.text":"select *\nfrom\tcart"}',NULL,NULL,NULL);
INSERT INTO span_row VALUES(13,X'0000000000000005000000000000abcd',X'0000000000000191',1767229148000001,4,89998004,NULL,NULL,1,-1840144265887181540,8986761804353673613,2632217713994494492,'GET /carts/{id}',2,257,2,NULL,NULL,NULL,'failed: 4',NULL,'{"http.response.status_code":500,"url.path":"/carts/4?q=100%&x=\"y\""}',X'000100','[{"time_unix_nano":1767229148000000009,"name":"exception","attributes":{"exception.type":"java.io.IOException","exception.stacktrace":"at a.b.C(C.java:1)\n\tat d.e.F(F.java:2)\n"},"dropped_attributes_count":3}]',NULL);
INSERT INTO span_row VALUES(14,X'0000000000000005000000000000abcd',X'0000000000000192',1767229148000002,4,89996004,NULL,X'0000000000000191',2,-8215996757806336421,-6992839467779247689,-5308059296353150757,'cart.get',3,257,2,NULL,NULL,NULL,'failed: 4',NULL,'{"retry":false,"ratio":0.25}',X'000100','[{"time_unix_nano":1767229148000000009,"name":"exception","attributes":{"exception.type":"java.io.IOException","exception.stacktrace":"at a.b.C(C.java:1)\n\tat d.e.F(F.java:2)\n"},"dropped_attributes_count":3}]',NULL);
INSERT INTO span_row VALUES(15,X'0000000000000005000000000000abcd',X'0000000000000193',1767229148000003,4,89994004,NULL,X'0000000000000192',3,-7992050211692514600,8910501867728692018,-9056793331768539239,'SELECT',1,257,2,NULL,NULL,NULL,'failed: 4',NULL,'{"db.query.text":"select *\nfrom\tcart"}',NULL,'[{"time_unix_nano":1767229148000000009,"name":"exception","attributes":{"exception.type":"java.io.IOException","exception.stacktrace":"at a.b.C(C.java:1)\n\tat d.e.F(F.java:2)\n"},"dropped_attributes_count":3}]',NULL);
INSERT INTO span_row VALUES(16,X'0000000000000006000000000000abcd',X'00000000000001f5',1767229165000001,5,89998005,NULL,NULL,1,8093060694948498290,8986761804353673613,2229138389074689535,'GET /carts/{id}',2,257,1,NULL,NULL,NULL,NULL,NULL,'{"http.response.status_code":200,"url.path":"/carts/5?q=100%&x=\"y\""}',X'000100',NULL,NULL);
INSERT INTO span_row VALUES(17,X'0000000000000006000000000000abcd',X'00000000000001f6',1767229165000002,5,89996005,NULL,X'00000000000001f5',2,1427319157705426899,-6992839467779247689,-6746388836760773061,'cart.get',3,257,1,NULL,NULL,NULL,NULL,NULL,'{"retry":false,"ratio":0.25}',X'000100',NULL,NULL);
INSERT INTO span_row VALUES(18,X'0000000000000006000000000000abcd',X'00000000000001f7',1767229165000003,5,89994005,NULL,X'00000000000001f6',3,6530634151724246987,8910501867728692018,-7945077551982233734,'SELECT',1,257,1,NULL,NULL,NULL,NULL,NULL,'{"db.query.text":"select *\nfrom\tcart"}',NULL,NULL,NULL);
INSERT INTO span_row VALUES(19,X'0000000000000007000000000000abcd',X'0000000000000259',1767229182000001,6,89998006,NULL,NULL,1,-1840144265887181540,8986761804353673613,5085814238258853529,'GET /carts/{id}',2,257,NULL,NULL,NULL,NULL,NULL,NULL,'{"http.response.status_code":200,"url.path":"/carts/6?q=100%&x=\"y\""}',X'000100',NULL,NULL);
INSERT INTO span_row VALUES(20,X'0000000000000007000000000000abcd',X'000000000000025a',1767229182000002,6,89996006,NULL,X'0000000000000259',2,-8215996757806336421,-6992839467779247689,-5334650710430409968,'cart.get',3,257,NULL,NULL,NULL,NULL,NULL,NULL,'{"retry":false,"ratio":0.25}',X'000100',NULL,NULL);
INSERT INTO span_row VALUES(21,X'0000000000000007000000000000abcd',X'000000000000025b',1767229182000003,6,89994006,NULL,X'000000000000025a',3,-7992050211692514600,8910501867728692018,9144780585575214575,'SELECT',1,257,NULL,NULL,NULL,NULL,NULL,NULL,'{"db.query.text":"select *\nfrom\tcart"}',NULL,NULL,NULL);
INSERT INTO span_row VALUES(22,X'0000000000000008000000000000abcd',X'00000000000002bd',1767229199000001,7,89998007,NULL,NULL,1,8093060694948498290,8986761804353673613,-5244015603359090300,'GET /carts/{id}',2,257,NULL,NULL,NULL,NULL,NULL,NULL,'{"http.response.status_code":200,"url.path":"/carts/7?q=100%&x=\"y\""}',X'000100',NULL,NULL);
INSERT INTO span_row VALUES(23,X'0000000000000008000000000000abcd',X'00000000000002be',1767229199000002,7,89996007,NULL,X'00000000000002bd',2,1427319157705426899,-6992839467779247689,-5257070737655924286,'cart.get',3,257,NULL,NULL,NULL,NULL,NULL,NULL,'{"retry":false,"ratio":0.25}',X'000100',NULL,NULL);
INSERT INTO span_row VALUES(24,X'0000000000000008000000000000abcd',X'00000000000002bf',1767229199000003,7,89994007,NULL,X'00000000000002be',3,6530634151724246987,8910501867728692018,4547338717919807826,'SELECT',1,257,NULL,NULL,NULL,NULL,NULL,NULL,'{"db.query.text":"select *\nfrom\tcart"}',NULL,NULL,NULL);
INSERT INTO span_row VALUES(25,X'0000000000000064000000000000abcd',X'00000000000026ad',1767230763000001,99,89998099,NULL,NULL,1,8093060694948498290,8986761804353673613,-6620712757897193501,'né',-7,4294967295,-1,4294967295,4294967295,4294967295,'m','k=v','{"":"a key that is empty","inf":{"$double":"Infinity"},"map":{"$map":[["$bytes","x\u0001\u0001"],["b",{"$bytes":"AP8="}]]},"max":9223372036854775807,"min":-9223372036854775808,"nan":{"$double":"NaN"},"one":1,"-0.0":{"$double":"-0.0"},"-inf":{"$double":"-Infinity"},"huge":179769313486231570000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000.0,"list":[1,1.0,null,[]],"null":null,"text":"é 􏿿 \u0001\u0002\u0001\u0001\r\n\t \\ \" %s %% %","tiny":0.000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000005,"true":true,"bytes":{"$bytes":"AAH/"},"empty":"","key\u0001\u0001":"a key with a zero","one.0":1.0,"twice":{"$map":[["$bytes","x\u0001\u0001"],["b",{"$bytes":"AP8="}]]},"no bytes":{"$bytes":""}}',X'015b5b226e756c6c222c6e756c6c5d2c5b2274657874222c22c3a920f48fbfbf205c75303030315c75303030325c75303030315c75303030315c725c6e5c74205c5c205c222025732025252025225d2c5b22656d707479222c22225d2c5b2274727565222c747275655d2c5b226d696e222c2d393232333337323033363835343737353830385d2c5b226d6178222c393232333337323033363835343737353830375d2c5b226f6e65222c315d2c5b226f6e652e30222c312e305d2c5b222d302e30222c7b2224646f75626c65223a222d302e30227d5d2c5b226e616e222c7b2224646f75626c65223a224e614e227d5d2c5b22696e66222c7b2224646f75626c65223a22496e66696e697479227d5d2c5b222d696e66222c7b2224646f75626c65223a222d496e66696e697479227d5d2c5b2274696e79222c302e3030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030355d2c5b2268756765222c3137393736393331333438363233313537303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030302e305d2c5b226279746573222c7b22246279746573223a224141482f227d5d2c5b226e6f206279746573222c7b22246279746573223a22227d5d2c5b226c697374222c5b312c312e302c6e756c6c2c5b5d5d5d2c5b226d6170222c7b22246d6170223a5b5b22246279746573222c22785c75303030315c7530303031225d2c5b2262222c7b22246279746573223a224150383d227d5d5d7d5d2c5b227477696365222c315d2c5b227477696365222c7b22246d6170223a5b5b22246279746573222c22785c75303030315c7530303031225d2c5b2262222c7b22246279746573223a224150383d227d5d5d7d5d2c5b22222c2261206b6579207468617420697320656d707479225d2c5b226b65795c75303030315c7530303031222c2261206b657920776974682061207a65726f225d5d','[{"time_unix_nano":18446744073709551615,"name":"exception","attributes":{"":"a key that is empty","inf":{"$double":"Infinity"},"map":{"$map":[["$bytes","x\u0001\u0001"],["b",{"$bytes":"AP8="}]]},"max":9223372036854775807,"min":-9223372036854775808,"nan":{"$double":"NaN"},"one":1,"-0.0":{"$double":"-0.0"},"-inf":{"$double":"-Infinity"},"huge":179769313486231570000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000.0,"list":[1,1.0,null,[]],"null":null,"text":"é 􏿿 \u0001\u0002\u0001\u0001\r\n\t \\ \" %s %% %","tiny":0.000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000005,"true":true,"bytes":{"$bytes":"AAH/"},"empty":"","key\u0001\u0001":"a key with a zero","one.0":1.0,"twice":{"$map":[["$bytes","x\u0001\u0001"],["b",{"$bytes":"AP8="}]]},"no bytes":{"$bytes":""}},"dropped_attributes_count":3,"shape":"AVtbIm51bGwiLG51bGxdLFsidGV4dCIsIsOpIPSPv78gXHUwMDAxXHUwMDAyXHUwMDAxXHUwMDAxXHJcblx0IFxcIFwiICVzICUlICUiXSxbImVtcHR5IiwiIl0sWyJ0cnVlIix0cnVlXSxbIm1pbiIsLTkyMjMzNzIwMzY4NTQ3NzU4MDhdLFsibWF4Iiw5MjIzMzcyMDM2ODU0Nzc1ODA3XSxbIm9uZSIsMV0sWyJvbmUuMCIsMS4wXSxbIi0wLjAiLHsiJGRvdWJsZSI6Ii0wLjAifV0sWyJuYW4iLHsiJGRvdWJsZSI6Ik5hTiJ9XSxbImluZiIseyIkZG91YmxlIjoiSW5maW5pdHkifV0sWyItaW5mIix7IiRkb3VibGUiOiItSW5maW5pdHkifV0sWyJ0aW55IiwwLjAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwNV0sWyJodWdlIiwxNzk3NjkzMTM0ODYyMzE1NzAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAuMF0sWyJieXRlcyIseyIkYnl0ZXMiOiJBQUgvIn1dLFsibm8gYnl0ZXMiLHsiJGJ5dGVzIjoiIn1dLFsibGlzdCIsWzEsMS4wLG51bGwsW11dXSxbIm1hcCIseyIkbWFwIjpbWyIkYnl0ZXMiLCJ4XHUwMDAxXHUwMDAxIl0sWyJiIix7IiRieXRlcyI6IkFQOD0ifV1dfV0sWyJ0d2ljZSIsMV0sWyJ0d2ljZSIseyIkbWFwIjpbWyIkYnl0ZXMiLCJ4XHUwMDAxXHUwMDAxIl0sWyJiIix7IiRieXRlcyI6IkFQOD0ifV1dfV0sWyIiLCJhIGtleSB0aGF0IGlzIGVtcHR5Il0sWyJrZXlcdTAwMDFcdTAwMDEiLCJhIGtleSB3aXRoIGEgemVybyJdXQ=="},{"time_unix_nano":0,"name":"e\u0001\u0001","attributes":{}}]','[{"trace_id":"0000000000000001000000000000abcd","span_id":"0000000000000001","trace_state":"l\u0001\u0001","flags":4294967295,"attributes":{"":"a key that is empty","inf":{"$double":"Infinity"},"map":{"$map":[["$bytes","x\u0001\u0001"],["b",{"$bytes":"AP8="}]]},"max":9223372036854775807,"min":-9223372036854775808,"nan":{"$double":"NaN"},"one":1,"-0.0":{"$double":"-0.0"},"-inf":{"$double":"-Infinity"},"huge":179769313486231570000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000.0,"list":[1,1.0,null,[]],"null":null,"text":"é 􏿿 \u0001\u0002\u0001\u0001\r\n\t \\ \" %s %% %","tiny":0.000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000005,"true":true,"bytes":{"$bytes":"AAH/"},"empty":"","key\u0001\u0001":"a key with a zero","one.0":1.0,"twice":{"$map":[["$bytes","x\u0001\u0001"],["b",{"$bytes":"AP8="}]]},"no bytes":{"$bytes":""}},"dropped_attributes_count":7,"shape":"AVtbIm51bGwiLG51bGxdLFsidGV4dCIsIsOpIPSPv78gXHUwMDAxXHUwMDAyXHUwMDAxXHUwMDAxXHJcblx0IFxcIFwiICVzICUlICUiXSxbImVtcHR5IiwiIl0sWyJ0cnVlIix0cnVlXSxbIm1pbiIsLTkyMjMzNzIwMzY4NTQ3NzU4MDhdLFsibWF4Iiw5MjIzMzcyMDM2ODU0Nzc1ODA3XSxbIm9uZSIsMV0sWyJvbmUuMCIsMS4wXSxbIi0wLjAiLHsiJGRvdWJsZSI6Ii0wLjAifV0sWyJuYW4iLHsiJGRvdWJsZSI6Ik5hTiJ9XSxbImluZiIseyIkZG91YmxlIjoiSW5maW5pdHkifV0sWyItaW5mIix7IiRkb3VibGUiOiItSW5maW5pdHkifV0sWyJ0aW55IiwwLjAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwNV0sWyJodWdlIiwxNzk3NjkzMTM0ODYyMzE1NzAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAuMF0sWyJieXRlcyIseyIkYnl0ZXMiOiJBQUgvIn1dLFsibm8gYnl0ZXMiLHsiJGJ5dGVzIjoiIn1dLFsibGlzdCIsWzEsMS4wLG51bGwsW11dXSxbIm1hcCIseyIkbWFwIjpbWyIkYnl0ZXMiLCJ4XHUwMDAxXHUwMDAxIl0sWyJiIix7IiRieXRlcyI6IkFQOD0ifV1dfV0sWyJ0d2ljZSIsMV0sWyJ0d2ljZSIseyIkbWFwIjpbWyIkYnl0ZXMiLCJ4XHUwMDAxXHUwMDAxIl0sWyJiIix7IiRieXRlcyI6IkFQOD0ifV1dfV0sWyIiLCJhIGtleSB0aGF0IGlzIGVtcHR5Il0sWyJrZXlcdTAwMDFcdTAwMDEiLCJhIGtleSB3aXRoIGEgemVybyJdXQ=="},{"flags":0,"attributes":{}}]');
INSERT INTO span_row VALUES(26,X'0000000000000064000000000000abcd',X'00000000000026ad',1767230763000001,99,89998099,NULL,NULL,1,8093060694948498290,8986761804353673613,2935286983052802945,'GET /carts/{id}',2,257,NULL,NULL,NULL,NULL,NULL,NULL,'{"http.response.status_code":200,"url.path":"/carts/99?q=100%&x=\"y\""}',X'000100',NULL,NULL);
INSERT INTO span_row VALUES(27,X'0000000000000064000000000000abcd',X'00000000000026ad',1767230763000001,99,89998099,NULL,NULL,1,8093060694948498290,8986761804353673613,-3575844909640083447,'GET /carts/{id}',3,257,NULL,NULL,NULL,NULL,NULL,NULL,'{"http.response.status_code":200,"url.path":"/carts/99?q=100%&x=\"y\""}',X'000100',NULL,NULL);
INSERT INTO span_row VALUES(28,X'0000000000000064000000000000abcd',X'00000000000026ad',1767230763000001,99,89998099,NULL,NULL,1,8093060694948498290,8986761804353673613,8790726927639689809,'GET /carts/{id}',2,1,NULL,NULL,NULL,NULL,NULL,NULL,'{"http.response.status_code":200,"url.path":"/carts/99?q=100%&x=\"y\""}',X'000100',NULL,NULL);
INSERT INTO span_row VALUES(29,X'0000000000000064000000000000abcd',X'00000000000026ad',1767230763000001,99,89998099,NULL,X'00000000000026ad',1,8093060694948498290,8986761804353673613,981862393149254886,'',2,257,NULL,NULL,NULL,NULL,NULL,NULL,'{"http.response.status_code":200,"url.path":"/carts/99?q=100%&x=\"y\""}',X'000100',NULL,NULL);
INSERT INTO span_row VALUES(30,X'0000000000000064000000000000abcd',X'00000000000026ad',1767230763000001,99,89998099,NULL,NULL,4,8827121125201873892,4897897050644095740,5230846200579355338,'GET /carts/{id}',2,257,NULL,NULL,NULL,NULL,NULL,NULL,'{"http.response.status_code":200,"url.path":"/carts/99?q=100%&x=\"y\""}',X'000100',NULL,NULL);
INSERT INTO span_row VALUES(31,X'00000000000000c9000000000000abcd',X'00000000000026ae',0,0,0,NULL,X'00000000000026ad',2,1427319157705426899,-6992839467779247689,-1671695520517548657,'cart.get',3,257,NULL,NULL,NULL,NULL,NULL,NULL,'{"retry":false,"ratio":0.25}',X'000100',NULL,NULL);
INSERT INTO span_row VALUES(32,X'00000000000000ca000000000000abcd',X'00000000000026ae',18446744073709551,615,0,NULL,X'00000000000026ad',2,1427319157705426899,-6992839467779247689,38841283541822691,'cart.get',3,257,NULL,NULL,NULL,NULL,NULL,NULL,'{"retry":false,"ratio":0.25}',X'000100',NULL,NULL);
INSERT INTO span_row VALUES(33,X'00000000000000cb000000000000abcd',X'00000000000026ae',18446744073709551,615,0,0,X'00000000000026ad',2,1427319157705426899,-6992839467779247689,-5854506684608296904,'cart.get',3,257,NULL,NULL,NULL,NULL,NULL,NULL,'{"retry":false,"ratio":0.25}',X'000100',NULL,NULL);
INSERT INTO span_row VALUES(34,X'00000000000000cc000000000000abcd',X'00000000000026ae',0,0,9223372036854775807,-1,X'00000000000026ad',2,1427319157705426899,-6992839467779247689,-7121924851474207296,'cart.get',3,257,NULL,NULL,NULL,NULL,NULL,NULL,'{"retry":false,"ratio":0.25}',X'000100',NULL,NULL);
INSERT INTO span_row VALUES(35,X'00000000000000cd000000000000abcd',X'00000000000026ae',1767229080000000,0,0,1767229079999999999,X'00000000000026ad',2,1427319157705426899,-6992839467779247689,-6505393024693046563,'cart.get',3,257,NULL,NULL,NULL,NULL,NULL,NULL,'{"retry":false,"ratio":0.25}',X'000100',NULL,NULL);
INSERT INTO span_row VALUES(36,X'00000000000000ce000000000000abcd',X'00000000000026ae',1764000000000000,0,3600000000000,NULL,X'00000000000026ad',2,1427319157705426899,-6992839467779247689,4295056597330804255,'cart.get',3,257,NULL,NULL,NULL,NULL,NULL,NULL,'{"retry":false,"ratio":0.25}',X'000100',NULL,NULL);
INSERT INTO span_row VALUES(37,X'00000000000000cf000000000000abcd',X'00000000000026ae',0,999,1,NULL,X'00000000000026ad',2,1427319157705426899,-6992839467779247689,6600215112097069967,'cart.get',3,257,NULL,NULL,NULL,NULL,NULL,NULL,'{"retry":false,"ratio":0.25}',X'000100',NULL,NULL);
INSERT INTO span_row VALUES(38,X'0000000000000064000000000000abcd',X'00000000000026ae',1767230763000002,99,89996099,NULL,X'00000000000026ad',2,1427319157705426899,-6992839467779247689,-3021941323500172527,'cart.get',3,257,NULL,NULL,NULL,NULL,NULL,NULL,'{"retry":false,"ratio":0.25}',X'000100',NULL,NULL);
INSERT INTO span_row VALUES(39,X'0000000000000002000000000000abcd',X'0000000000000065',1767229097000001,1,89998001,NULL,NULL,1,8093060694948498290,8986761804353673613,-3482533037729546678,'GET /carts/{id}',2,257,1,NULL,NULL,NULL,NULL,NULL,'{"http.response.status_code":200,"url.path":"/carts/1?q=100%&x=\"y\""}',X'000100',NULL,NULL);
INSERT INTO span_row VALUES(40,X'0000000000000002000000000000abcd',X'0000000000000066',1767229097000002,1,89996001,NULL,X'0000000000000065',2,1427319157705426899,-6992839467779247689,6427624225149884617,'cart.get',3,257,1,NULL,NULL,NULL,NULL,NULL,'{"retry":false,"ratio":0.25}',X'000100',NULL,NULL);
INSERT INTO span_row VALUES(41,X'0000000000000002000000000000abcd',X'0000000000000067',1767229097000003,1,89994001,NULL,X'0000000000000066',3,6530634151724246987,8910501867728692018,2846900570749664593,'SELECT',1,257,1,NULL,NULL,NULL,NULL,NULL,'{"db.query.text":"select *\nfrom\tcart"}',NULL,NULL,NULL);
INSERT INTO span_row VALUES(42,X'0000000000000003000000000000abcd',X'00000000000000c9',1767229114000001,2,89998002,NULL,NULL,1,-1840144265887181540,8986761804353673613,-1271423716922282280,'GET /carts/{id}',2,257,NULL,NULL,NULL,NULL,NULL,NULL,'{"http.response.status_code":200,"url.path":"/carts/2?q=100%&x=\"y\""}',X'000100',NULL,NULL);
INSERT INTO span_row VALUES(43,X'0000000000000003000000000000abcd',X'00000000000000ca',1767229114000002,2,89996002,NULL,X'00000000000000c9',2,-8215996757806336421,-6992839467779247689,-2163861925425097253,'cart.get',3,257,NULL,NULL,NULL,NULL,NULL,NULL,'{"retry":false,"ratio":0.25}',X'000100',NULL,NULL);
INSERT INTO span_row VALUES(44,X'0000000000000003000000000000abcd',X'00000000000000cb',1767229114000003,2,89994002,NULL,X'00000000000000ca',3,-7992050211692514600,8910501867728692018,2790405966221054989,'SELECT',1,257,NULL,NULL,NULL,NULL,NULL,NULL,'{"db.query.text":"select *\nfrom\tcart"}',NULL,NULL,NULL);
INSERT INTO span_row VALUES(45,X'0000000000000064000000000000abcd',X'00000000000026ad',1767230763000001,99,89998099,NULL,NULL,1,8093060694948498290,8986761804353673613,-3575844909640083447,'GET /carts/{id}',3,257,NULL,NULL,NULL,NULL,NULL,NULL,'{"http.response.status_code":200,"url.path":"/carts/99?q=100%&x=\"y\""}',X'000100',NULL,NULL);
INSERT INTO span_row VALUES(46,X'0000000000000064000000000000abcd',X'00000000000026ad',1767230763000001,99,89998099,NULL,NULL,1,8093060694948498290,8986761804353673613,8790726927639689809,'GET /carts/{id}',2,1,NULL,NULL,NULL,NULL,NULL,NULL,'{"http.response.status_code":200,"url.path":"/carts/99?q=100%&x=\"y\""}',X'000100',NULL,NULL);
INSERT INTO span_row VALUES(47,X'0000000000000064000000000000abcd',X'00000000000026ad',1767230763000001,99,89998099,NULL,X'00000000000026ad',1,8093060694948498290,8986761804353673613,981862393149254886,'',2,257,NULL,NULL,NULL,NULL,NULL,NULL,'{"http.response.status_code":200,"url.path":"/carts/99?q=100%&x=\"y\""}',X'000100',NULL,NULL);
INSERT INTO span_row VALUES(48,X'0000000000000064000000000000abcd',X'00000000000026ad',1767230763000001,99,89998099,NULL,NULL,1,8093060694948498290,8986761804353673613,-3575844909640083447,'GET /carts/{id}',3,257,NULL,NULL,NULL,NULL,NULL,NULL,'{"http.response.status_code":200,"url.path":"/carts/99?q=100%&x=\"y\""}',X'000100',NULL,NULL);
CREATE TABLE receipt (
    -- Made from the whole content of the request's spans, whatever their order.
    fingerprint blob primary key,
    -- When it was written, in milliseconds since 1970.
    received_time integer not null default (cast((julianday('now') - 2440587.5) * 86400000 as integer))
) strict, without rowid;
INSERT INTO receipt VALUES(X'3487994842c21812edec30c8a58805bf',1795390835390);
INSERT INTO receipt VALUES(X'18b9b74fdd2c9d2f1fa0f8073159fd34',1795390835412);
INSERT INTO receipt VALUES(X'6f4ae44ca519cb5f24fb03b32b8d92d2',1795390835416);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('span_row',48);
CREATE INDEX span_row_by_trace on span_row (lower(hex(trace_id)));
CREATE INDEX span_row_by_service on span_row (service_id, start_time);
CREATE INDEX span_row_by_start on span_row (start_time);
CREATE VIEW span_once as
select
    *,
    case
        when end_exact is null then start_time + duration_nano / 1000 + (start_nano + duration_nano % 1000) / 1000
        when end_exact >= 0 then end_exact / 1000
        -- 2^64 is 18446744073709551 thousands and 616.
        else 18446744073709551 + end_exact / 1000 - (616 + end_exact % 1000 < 0)
    end as end_micro,
    case
        when end_exact is null then (start_nano + duration_nano % 1000) % 1000
        when end_exact >= 0 then end_exact % 1000
        else (1616 + end_exact % 1000) % 1000
    end as end_nano
from span_row
where not exists (
    select 1 from span_row copy
    where lower(hex(copy.trace_id)) = lower(hex(span_row.trace_id))
        and copy.digest = span_row.digest
        and copy.span_id = span_row.span_id
        and copy.start_time = span_row.start_time
        and copy.start_nano = span_row.start_nano
        and copy.arrival < span_row.arrival
)
;
CREATE VIEW span as
select
    lower(hex(s.trace_id)) as trace_id,
    lower(hex(s.span_id)) as span_id,
    nullif(lower(hex(s.parent_span_id)), '') as parent_span_id,
    service.name as service,
    resource.node as node,
    s.name as name,
    case s.kind
        when 0 then 'unspecified'
        when 1 then 'internal'
        when 2 then 'server'
        when 3 then 'client'
        when 4 then 'producer'
        when 5 then 'consumer'
        else cast(s.kind as text)
    end as kind,
    strftime('%Y-%m-%d %H:%M:%S', s.start_time / 1000000, 'unixepoch')
        || printf('.%06d', s.start_time % 1000000) as start_time,
    strftime('%Y-%m-%d %H:%M:%S', s.end_micro / 1000000, 'unixepoch')
        || printf('.%06d', s.end_micro % 1000000) as end_time,
    printf('%02d:%02d:%02d.%06d', s.duration_nano / 3600000000000, s.duration_nano / 60000000000 % 60,
        s.duration_nano / 1000000000 % 60, s.duration_nano / 1000 % 1000000) as duration,
    case
        when s.start_time < 9223372036854775 then s.start_time * 1000 + s.start_nano
        else printf('%d%03d', s.start_time, s.start_nano)
    end as start_time_unix_nano,
    case
        when s.end_micro < 9223372036854775 then s.end_micro * 1000 + s.end_nano
        else printf('%d%03d', s.end_micro, s.end_nano)
    end as end_time_unix_nano,
    s.duration_nano as duration_nano,
    case coalesce(s.status_code, 0)
        when 0 then 'unset'
        when 1 then 'ok'
        when 2 then 'error'
        else cast(s.status_code as text)
    end as status,
    s.status_message as status_message,
    s.attributes as attributes,
    resource.attributes as resource_attributes,
    scope.name as scope_name,
    scope.version as scope_version,
    coalesce(s.events, '[]') as events,
    coalesce(s.links, '[]') as links,
    s.trace_state as trace_state,
    s.flags as flags,
    coalesce(s.dropped_attributes_count, 0) as dropped_attributes_count,
    coalesce(s.dropped_events_count, 0) as dropped_events_count,
    coalesce(s.dropped_links_count, 0) as dropped_links_count
from span_once s
left join service on service.service_id = s.service_id
left join resource on resource.resource_id = s.resource_id
left join scope on scope.scope_id = s.scope_id;
CREATE VIEW trace as
select
    trace_id,
    strftime('%Y-%m-%d %H:%M:%S', start_micro / 1000000, 'unixepoch')
        || printf('.%06d', start_micro % 1000000) as start_time,
    strftime('%Y-%m-%d %H:%M:%S', end_micro / 1000000, 'unixepoch')
        || printf('.%06d', end_micro % 1000000) as end_time,
    printf('%02d:%02d:%02d.%06d', duration_nano / 3600000000000, duration_nano / 60000000000 % 60,
        duration_nano / 1000000000 % 60, duration_nano / 1000 % 1000000) as duration,
    duration_nano,
    (select service.name from span_once root join service on service.service_id = root.service_id
        where lower(hex(root.trace_id)) = t.trace_id and root.parent_span_id is null
        order by root.start_time, root.start_nano, root.span_id, root.digest limit 1) as root_service,
    (select root.name from span_once root
        where lower(hex(root.trace_id)) = t.trace_id and root.parent_span_id is null
        order by root.start_time, root.start_nano, root.span_id, root.digest limit 1) as root_name,
    span_count,
    error_count,
    (select json_group_array(name) from (
        select distinct service.name as name
        from span_once part join service on service.service_id = part.service_id
        where lower(hex(part.trace_id)) = t.trace_id
        order by 1)) as services
from (
    select
        *,
        case
            when end_micro - start_micro > 9223372036854775 then 9223372036854775807
            when end_micro - start_micro = 9223372036854775
                then 9223372036854775000 + min(end_nano - start_nano, 807)
            else (end_micro - start_micro) * 1000 + end_nano - start_nano
        end as duration_nano
    from (
        select
            trace_id,
            cast(substr(start_digits, 1, 17) as integer) as start_micro,
            cast(substr(start_digits, 18) as integer) as start_nano,
            cast(substr(end_digits, 1, 17) as integer) as end_micro,
            cast(substr(end_digits, 18) as integer) as end_nano,
            span_count,
            error_count
        from (
            -- Twenty digits sort as the numbers that they are, and any nanosecond fits.
            select
                lower(hex(trace_id)) as trace_id,
                min(printf('%017d%03d', start_time, start_nano)) as start_digits,
                max(max(printf('%017d%03d', start_time, start_nano), printf('%017d%03d', end_micro, end_nano)))
                    as end_digits,
                count(*) as span_count,
                count(*) filter (where status_code = 2) as error_count
            from span_once
            group by lower(hex(trace_id))
        )
    )
) t
;
CREATE INDEX receipt_by_time on receipt (received_time);
COMMIT;
