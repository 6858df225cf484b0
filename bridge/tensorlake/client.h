#pragma once

namespace sandbridge::tensorlake {
class Client;
}  // namespace sandbridge::tensorlake
