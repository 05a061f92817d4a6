/* Symbol visibility: the library is built with everything hidden but what carries ATTNJIT_API. */
#ifndef ATTNJIT_EXPORT_H_
#define ATTNJIT_EXPORT_H_

#if defined(__GNUC__)
#define ATTNJIT_API __attribute__((visibility("default")))
#else
#define ATTNJIT_API
#endif

#endif /* ATTNJIT_EXPORT_H_ */
