"""The messages and methods of PingService, from a set of descriptors that `buf build` wrote."""

from google.protobuf import descriptor_pb2, message_factory

SERVICE = "zerotrust.testkit.v1.PingService"


class Schema:
    """`messages` has the class of each message by its full name, `methods` the descriptor of each method by its name."""

    def __init__(self, path):
        with open(path, "rb") as file:
            # Sets that lie one behind the other are one set (what both of them have comes twice).
            files = {each.name: each for each in descriptor_pb2.FileDescriptorSet.FromString(file.read()).file}
        self.messages = message_factory.GetMessages(list(files.values()))
        self.methods = {
            method.name: method
            for each in files.values()
            for service in each.service
            if f"{each.package}.{service.name}" == SERVICE
            for method in service.method
        }

    def input(self, method):
        return self.messages[method.input_type.lstrip(".")]

    def output(self, method):
        return self.messages[method.output_type.lstrip(".")]
