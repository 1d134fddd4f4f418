"""Calls a gRPC server that it knows nothing about: all it learns, it learns from server reflection (v1alpha).

    query.py HOST:PORT                              lists the services, one a line
    query.py HOST:PORT SERVICE/METHOD '{"a": 1}'    calls a unary or server streaming method, one answer a line

Requests and answers are protobuf's JSON, as grpcurl has it. A refused call is told on stderr as one JSON object with
`code` and `message`, and the exit status is 1.
"""

import json
import sys

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

CALL_SECONDS_MAX = 30


def call(channel, database, path, request):
    """Calls `path` ("package.Service/Method") and yields the answers."""
    pool = DescriptorPool(database)
    service, _, name = path.rpartition("/")
    method = pool.FindServiceByName(service).FindMethodByName(name)
    message = ParseDict(request, GetMessageClass(method.input_type)(), descriptor_pool=pool)
    connect = channel.unary_stream if method.server_streaming else channel.unary_unary
    invoke = connect(
        f"/{path}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )
    answer = invoke(message, timeout=CALL_SECONDS_MAX)
    for message in answer if method.server_streaming else [answer]:
        yield MessageToDict(message, descriptor_pool=pool)


def main():
    if len(sys.argv) not in (2, 4):
        sys.exit(__doc__)
    with grpc.insecure_channel(sys.argv[1]) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        try:
            if len(sys.argv) == 2:
                print(*sorted(database.get_services()), sep="\n")
                return
            for answer in call(channel, database, sys.argv[2], json.loads(sys.argv[3])):
                print(json.dumps(answer), flush=True)
        except grpc.RpcError as error:
            print(json.dumps({"code": error.code().name, "message": error.details()}), file=sys.stderr)
            sys.exit(1)


if __name__ == "__main__":
    main()
